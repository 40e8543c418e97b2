//! C: the filter's sources, the SDK's, and the SDK's generated bindings, by clang as Zig ships it (with a libc for wasm), into
//! a core module; then a component of it.

use std::{fs, path::Path, process::Command};

use super::{
    Project,
    bindings::FURTHER,
    tools::{Tools, run},
};
use crate::filters::root;

pub(super) const TOOLS: &str = "ziglang==0.17.1";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let python = tools.python(TOOLS)?.join("python");
    let sdk = root().join("sdk/c");
    let core = project.scratch.join("core.wasm");
    let mut zig = Command::new(python);
    zig.args(["-m", "ziglang", "cc", "--target=wasm32-wasi", "-mexec-model=reactor", "-std=c17", "-Os"])
        .args(["-Wall", "-Wextra", "-Wl,--strip-all", "-Wl,-z,stack-size=65536"])
        .args(further(&project.folder)?)
        .arg("-I")
        .arg(&sdk)
        .args(sources(&project.folder)?)
        .args(sources(&sdk.join("src"))?)
        .arg("-o")
        .arg(&core)
        .env("ZIG_GLOBAL_CACHE_DIR", tools.cache("zig"))
        .env("ZIG_LOCAL_CACHE_DIR", tools.cache("zig"));
    run("zig cc", &mut zig)?;
    Ok(weir_adapter::encode(&fs::read(core)?)?)
}

/// What a filter does not have it may not export: a definition for each interface whose table its sources name.
fn further(folder: &Path) -> anyhow::Result<Vec<String>> {
    let texts = sources(folder)?.into_iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let has = |interface: &&'static str| texts.iter().any(|text| text.contains(&format!("weir_this_{interface}")));
    Ok(FURTHER
        .iter()
        .copied()
        .filter(has)
        .map(|interface| format!("-DWEIR_EXPORTS_{}", interface.to_uppercase()))
        .collect())
}

fn sources(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    found.sort();
    Ok(found)
}
