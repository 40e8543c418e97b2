//! Python: the filter and the SDK's package, with the CPython interpreter, into a component.

use std::{fs, process::Command};

use super::{
    Project, stage,
    tools::{Tools, run, told},
    world,
};
use crate::filters::root;

pub(super) const TOOLS: &str = "componentize-py==0.25.1";

/// The SDK's module that componentize-py takes for the app.
const APP: &str = "weir_component";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let sdk = root().join("sdk/python");
    let program = tools.python(TOOLS)?.join("componentize-py");
    // the interpreter leaves its bytecode beside what it reads
    let modules = stage::folder(project)?;
    stage::copy(&sdk.join("weir"), &modules.join("weir"))?;
    fs::copy(sdk.join(APP).with_extension("py"), modules.join(APP).with_extension("py"))?;
    // which modules of the SDK the filter's modules import: the SDK's own build asks alike
    let interpreter = program.with_file_name("python");
    let needs = told("interfaces.py", Command::new(interpreter).arg(sdk.join("interfaces.py")).arg(&modules))?;
    let asks = |interface: &str| needs.lines().any(|line| line == interface.replace('-', "_"));
    let wit = world::write(project, asks)?;
    let component = project.scratch.join("unchecked.wasm");
    let mut python = Command::new(program);
    python
        .arg("--quiet")
        .arg("--wit-path")
        .arg(wit)
        .args(["--world", world::NAME, "componentize", "--stub-wasi"])
        .arg("--python-path")
        .arg(&modules)
        .arg("--output")
        .arg(&component)
        .arg(APP);
    run("componentize-py", &mut python)?;
    Ok(fs::read(component)?)
}
