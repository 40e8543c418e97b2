//! What is written holds by the schema of the format, in the hands of others: `har-validator`, which `cargo xtask test` installs.
#![cfg(test)]

mod exchanges;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use weir_har::{Recorder, begin, end, entry};

#[test]
fn archives_of_all_kinds_are_valid() {
    let mut runner = TestRunner::deterministic();
    let strategy = exchanges::exchange();
    let recorder = Recorder { id: "0199aa3c-7b1e-7c3a-9f00-0123456789ab", name: "edge-1" };
    let entries: Vec<String> =
        (0..500).map(|_| entry(&strategy.new_tree(&mut runner).unwrap().current(), recorder).to_string()).collect();
    let archive = format!("{}{}{}", begin("0.1.0"), entries.join(","), end());
    let script =
        "require('har-validator').har(JSON.parse(require('fs').readFileSync(0, 'utf8'))).then(() => {}, error => {
        console.error(JSON.stringify(error.errors, null, 1)); process.exit(1); });";
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests/npm/node_modules");
    let mut node = Command::new("node")
        .args(["-e", script])
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.stdin.take().unwrap().write_all(archive.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`cargo xtask test` sets up har-validator; it says: {}",
        &said[..said.len().min(2000)]
    );
}
