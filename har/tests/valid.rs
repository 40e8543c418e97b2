//! What is written holds in the hands of others: by the schema of the format (`har-validator`), and in the importer of Chromium's
//! developer tools. `cargo xtask test` installs both.
#![cfg(test)]

mod exchanges;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use serde_json::Value;
use weir_har::{Recorder, begin, end, entry};

/// Where `cargo xtask test` installs what comes from npm.
fn guests() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests")
}

/// An archive of 500 exchanges of all kinds; the same ones each time.
fn archive() -> String {
    let mut runner = TestRunner::deterministic();
    let strategy = exchanges::exchange();
    let recorder = Recorder { id: "0199aa3c-7b1e-7c3a-9f00-0123456789ab", name: "edge-1" };
    let entries: Vec<String> =
        (0..500).map(|_| entry(&strategy.new_tree(&mut runner).unwrap().current(), recorder).to_string()).collect();
    format!("{}{}{}", begin("0.1.0"), entries.join(","), end())
}

/// What node says when it reads the archive.
fn read_by(node: &mut Command, archive: &str) -> Vec<u8> {
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = node.stdin.take().unwrap();
    let archive = archive.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(archive.as_bytes()));
    let output = node.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`cargo xtask test` sets it up; it says: {}",
        &said[..said.floor_char_boundary(2000)]
    );
    writer.join().unwrap().unwrap();
    output.stdout
}

#[test]
fn archives_of_all_kinds_are_valid() {
    let script =
        "require('har-validator').har(JSON.parse(require('fs').readFileSync(0, 'utf8'))).then(() => {}, error => {
        console.error(JSON.stringify(error.errors, null, 1)); process.exit(1); });";
    let modules = guests().join("npm/node_modules");
    read_by(Command::new("node").args(["-e", script]).env("NODE_PATH", modules), &archive());
}

#[test]
fn chromium_imports_archives_of_all_kinds() {
    let archive = archive();
    let imported = read_by(Command::new("node").arg(guests().join("har-importer.mjs")), &archive);
    let imported: Vec<Value> = serde_json::from_slice(&imported).unwrap();
    let archive: Value = serde_json::from_str(&archive).unwrap();
    let mut entries = archive["log"]["entries"].as_array().unwrap().clone();
    assert_eq!(imported.len(), entries.len());
    // the importer puts them in the order of time
    entries.sort_by_key(|entry| millis(&entry["startedDateTime"]));
    for (entry, imported) in entries.iter().zip(&imported) {
        let (request, response) = (&entry["request"], &entry["response"]);
        assert_eq!(imported["method"], request["method"]);
        assert_eq!(imported["status"], response["status"], "{entry}");
        assert_eq!(imported["headers"], pairs(&request["headers"]));
        assert_eq!(imported["responseHeaders"], pairs(&response["headers"]));
        assert_eq!(imported["form"], request["postData"]["text"]);
        let text = response["content"]["text"].as_str().unwrap_or_default();
        assert_eq!(imported["content"], text, "{entry}");
    }
}

/// As far as a Date of JavaScript tells times apart.
fn millis(time: &Value) -> String {
    let time = time.as_str().unwrap();
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{seconds}.{:0<3}", &fraction[..fraction.len().min(3)])
}

fn pairs(fields: &Value) -> Value {
    fields.as_array().unwrap().iter().map(|field| serde_json::json!([field["name"], field["value"]])).collect()
}
