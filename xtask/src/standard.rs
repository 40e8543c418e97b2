//! Builds the middleware of the standard world: crates that are workspaces of their own and use nothing of Weir's, as anybody's
//! would be. Their components lie beside those of the filters.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{
    filters::{deliver, root, within},
    setup::{WASM_TARGET, WasmCargo},
};

/// Folder, file stem of its module, and whether it misbehaves on purpose.
const CRATES: [(&str, &str, bool); 2] = [
    ("examples/hello-middleware", "hello_middleware", false),
    ("testkit/guests/middleware", "weir_guest_middleware", true),
];

pub(crate) fn build(target: &Path, components: &Path) -> anyhow::Result<()> {
    let wasm = target.join("wasm");
    for (folder, module, is_for_tests) in CRATES {
        let folder: PathBuf = root().join(folder);
        let mut cargo = WasmCargo::set_up()?.build();
        cargo.args(["--release", "--locked", "--target-dir"]).arg(&wasm).current_dir(&folder);
        if !cargo.status().context("running cargo")?.success() {
            bail!("{} does not build", folder.display());
        }
        let module = wasm.join(WASM_TARGET).join("release").join(module).with_extension("wasm");
        let component = weir_adapter::encode(&fs::read(&module)?)
            .with_context(|| format!("{} does not become a component", module.display()))?;
        let name = folder.file_name().context("a crate in no folder")?;
        deliver(&within(components, is_for_tests)?.join(name).with_extension("wasm"), &component)?;
    }
    Ok(())
}
