//! Running other programs: what is printed before, what happens when they fail. Knows no particular program but cargo.

use std::{env, path::PathBuf, process::Command, time::Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::filters::root;

/// The cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Says what it does, does it with the terminal as its output, and says how long it took.
pub(crate) fn step(title: &str, command: &mut Command) -> anyhow::Result<()> {
    eprintln!("==> {title}");
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("running {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{title}: failed ({status})");
    }
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Is there such a program (or cargo command)?
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("running {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// cargo's target folder.
pub(crate) fn target_dir() -> anyhow::Result<PathBuf> {
    let metadata = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into())
}
