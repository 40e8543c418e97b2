//! `agent filter …`, as an author types it: the real program, real components, its answers and exit codes.
#![cfg(test)]

mod build;
mod inspect;
mod test;

use std::{ffi::OsStr, path::PathBuf, process::Command};

use anyhow::Context as _;
use weir_testkit::binaries;

/// What the program answered.
struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `agent filter` with these words.
fn filter<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> anyhow::Result<Answer> {
    let output = Command::new(binaries::binary("agent")?).arg("filter").args(words).env_clear().output()?;
    let text = |bytes| String::from_utf8(bytes).context("what it says is text");
    let code = output.status.code().context("it ended by a signal")?;
    Ok(Answer { code, stdout: text(output.stdout)?, stderr: text(output.stderr)? })
}

/// A core module, as cargo leaves it: the smallest filter in Rust.
fn core_module() -> anyhow::Result<PathBuf> {
    Ok(binaries::target_dir()?.join("wasm/wasm32-unknown-unknown/guest/hello_filter.wasm"))
}
