//! JavaScript: the filter and the SDK's modules, with the QuickJS engine, into a component.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::{
    Project, stage,
    tools::{Tools, run, told},
    world,
};
use crate::filters::root;

pub(super) const TOOLS: &str = "componentize-qjs 0.4.5";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let program = tool(tools)?.join("cli.mjs");
    // as npm would leave it: the filter's modules, and the SDK in `node_modules/weir`
    let modules = stage::folder(project)?;
    stage::copy(&root().join("sdk/js"), &modules.join("node_modules/weir"))?;
    let needs = needs(&modules)?;
    let asks = |interface: &str| {
        ["import", "export"].iter().any(|how| needs.lines().any(|line| line == format!("{how} {interface}")))
    };
    let wit = world::write(project, asks)?;
    let component = project.scratch.join("unchecked.wasm");
    let mut node = Command::new("node");
    node.arg(program)
        .args(["--sync", "--stub-wasi", "--world", world::NAME, "--wit"])
        .arg(wit)
        .arg("--js")
        .arg(modules.join("filter.js"))
        .arg("--module-root")
        .arg(&modules)
        .arg("--output")
        .arg(&component);
    run("componentize-qjs", &mut node)?;
    Ok(fs::read(component)?)
}

/// What the filter's modules import of the contract, and what the entry module exports, a line each: the SDK's own build asks alike.
fn needs(modules: &Path) -> anyhow::Result<String> {
    let mut node = Command::new("node");
    node.args(["--experimental-vm-modules", "--no-warnings"])
        .arg(modules.join("node_modules/weir/interfaces.mjs"))
        .arg(modules.join("filter.js"));
    told("interfaces.mjs", &mut node)
}

/// Without building anything.
pub(super) fn set_up(tools: &Tools) -> anyhow::Result<()> {
    tool(tools).map(drop)
}

fn tool(tools: &Tools) -> anyhow::Result<PathBuf> {
    let (name, version) = TOOLS.split_once(' ').context("a tool is a name and a version")?;
    tools.npm(name, version)
}
