//! JavaScript: the filter and the SDK's modules, with the QuickJS engine, into a component.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Context as _;

use super::{
    Project, stage,
    tools::{Tools, run},
    world,
};
use crate::filters::root;

pub(super) const TOOLS: &str = "componentize-qjs 0.4.5";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let program = tool(tools)?.join("cli.mjs");
    // as npm would leave it: the filter's modules, and the SDK in `node_modules/weir`
    let modules = stage::folder(project)?;
    stage::copy(&root().join("sdk/js"), &modules.join("node_modules/weir"))?;
    let source = fs::read_to_string(project.folder.join("filter.js"))?;
    let imported = |interface: &str| {
        let ends = ["\"", "'", ".js"];
        ends.iter().any(|end| source.contains(&format!("weir/{interface}{end}")))
    };
    let wit = world::write(project, |interface| imported(interface) || exports(&source, interface))?;
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

/// Does the entry module say `export const { …, NAME, … }`?
fn exports(source: &str, name: &str) -> bool {
    let lists = source.split("export const {").skip(1).filter_map(|rest| rest.split('}').next());
    lists.flat_map(|list| list.split(',')).any(|exported| exported.trim() == name)
}

/// Without building anything.
pub(super) fn set_up(tools: &Tools) -> anyhow::Result<()> {
    tool(tools).map(drop)
}

fn tool(tools: &Tools) -> anyhow::Result<PathBuf> {
    let (name, version) = TOOLS.split_once(' ').context("a tool is a name and a version")?;
    tools.npm(name, version)
}

#[cfg(test)]
mod tests {
    use super::exports;

    #[test]
    fn an_entry_module_says_what_it_exports() {
        let source = "import { tick } from \"x\";\nexport const {\n  lifecycle, events,\n  completed,\n} = filter({ connect() {} });\n";
        assert!(exports(source, "completed") && exports(source, "events"));
        assert!(!exports(source, "connect") && !exports(source, "tick") && !exports(source, "complete"));
        assert!(!exports("", "tick"));
    }
}
