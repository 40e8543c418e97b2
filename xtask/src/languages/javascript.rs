//! JavaScript: the filter and the SDK's modules, with the QuickJS engine, into a component.

use std::{fs, path::Path, process::Command};

use anyhow::Context as _;

use super::{
    Project,
    tools::{Tools, run},
    world,
};
use crate::filters::root;

pub(super) const TOOLS: &str = "componentize-qjs 0.4.5";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let (name, version) = TOOLS.split_once(' ').context("a tool is a name and a version")?;
    let program = tools.npm(name, version)?.join("cli.mjs");
    let modules = stage(project)?;
    let source = fs::read_to_string(project.folder.join("filter.js"))?;
    let asks = |interface: &str| source.contains(&format!("\"weir/{interface}\""));
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

/// The filter's folder as npm would leave it: its modules, and the SDK in `node_modules/weir`.
fn stage(project: &Project) -> anyhow::Result<std::path::PathBuf> {
    let stage = project.scratch.join("modules");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    copy(&project.folder, &stage)?;
    copy(&root().join("sdk/js"), &stage.join("node_modules/weir"))?;
    Ok(stage)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
