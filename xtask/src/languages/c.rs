//! C: the filter's sources, the SDK's, and the SDK's generated bindings, by clang as Zig ships it (with a libc for wasm), into
//! a core module; then a component of it.

use std::{fs, path::Path, process::Command};

use super::{
    Project,
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

fn sources(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    found.sort();
    Ok(found)
}
