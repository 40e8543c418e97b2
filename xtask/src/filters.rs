//! Builds every filter of `filters/` and `examples/` and makes components of them: `target/filters/NAME.wasm`, where
//! NAME is the filter's folder; the guests of `testkit/` go to `target/filters/for-tests`. Rust is built here, by one call
//! of cargo; other languages in `languages/`. Knows nothing of what a filter does.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{
    languages,
    setup::{WASM_TARGET, WasmCargo},
    standard,
};

/// The profile in the root Cargo.toml that guests are built with.
const PROFILE: &str = "guest";

struct Guest {
    package: String,
    /// File stem of the core module that cargo writes.
    module: String,
    /// Folder of the crate, and file stem of the component.
    name: String,
    /// Misbehaves on purpose: not to lie where somebody points an agent at.
    is_for_tests: bool,
}

/// What came of it.
pub(crate) struct Built {
    /// The folder with the components.
    pub(crate) folder: PathBuf,
    /// Filters that could not be built on this machine, with the reason. Never one in Rust: there is no Weir without that.
    pub(crate) missing: Vec<String>,
}

/// Builds what changed.
pub(crate) fn build() -> anyhow::Result<Built> {
    let metadata = metadata()?;
    let target = PathBuf::from(metadata["target_directory"].as_str().context("cargo metadata names no target folder")?);
    let folder = target.join("filters");
    build_rust(&metadata, &target, &folder)?;
    standard::build(&target, &folder)?;
    let mut missing = Vec::new();
    for outcome in languages::build(&target)? {
        let path = within(&folder, outcome.is_for_tests)?.join(&outcome.name).with_extension("wasm");
        match outcome.result.and_then(|component| only_ours(&component).map(|()| component)) {
            Ok(component) => deliver(&path, &component)?,
            Err(reason) => {
                // what an earlier build left would pass for this one
                let _ = fs::remove_file(&path);
                eprintln!("{}: not built: {reason}", outcome.name);
                missing.push(format!("{}: {}", outcome.name, reason.lines().next().unwrap_or_default()));
            }
        }
    }
    Ok(Built { folder, missing })
}

fn build_rust(metadata: &Value, target: &Path, components: &Path) -> anyhow::Result<()> {
    let guests = guests(metadata)?;
    // A target folder of its own: no wait for whoever builds natively, and no rebuild by another profile.
    let wasm = target.join("wasm");
    let mut cargo = WasmCargo::set_up()?.build();
    cargo.args(["--profile", PROFILE, "--target-dir"]).arg(&wasm).current_dir(root());
    for guest in &guests {
        cargo.args(["--package", &guest.package]);
    }
    if !cargo.status().context("running cargo")?.success() {
        bail!("the filters do not build");
    }
    let modules = wasm.join(WASM_TARGET).join(PROFILE);
    for guest in &guests {
        let module = modules.join(&guest.module).with_extension("wasm");
        let component = weir_adapter::encode(&fs::read(&module)?)
            .with_context(|| format!("{} does not become a component", module.display()))?;
        deliver(&within(components, guest.is_for_tests)?.join(&guest.name).with_extension("wasm"), &component)?;
    }
    Ok(())
}

/// The folder for a component.
pub(crate) fn within(components: &Path, is_for_tests: bool) -> anyhow::Result<PathBuf> {
    let folder = if is_for_tests { components.join("for-tests") } else { components.to_owned() };
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub(crate) fn deliver(path: &Path, component: &[u8]) -> anyhow::Result<()> {
    let state = if replace(path, component)? { "built" } else { "unchanged" };
    println!("{} ({:.1} KiB, {state})", path.display(), component.len() as f64 / 1024.0);
    Ok(())
}

/// A filter's imports are all that it may do: a component that imports anything beside the contract is none of ours.
fn only_ours(component: &[u8]) -> Result<(), String> {
    let imports = weir_adapter::imports(component).map_err(|error| error.to_string())?;
    let foreign: Vec<&str> =
        imports.iter().map(String::as_str).filter(|name| !name.starts_with("weir:filter/")).collect();
    if foreign.is_empty() { Ok(()) } else { Err(format!("it imports {}", foreign.join(", "))) }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the root")
}

fn metadata() -> anyhow::Result<Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--no-deps", "--format-version", "1"];
    let output = Command::new(cargo).args(args).current_dir(root()).output().context("running cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Members of the workspace in these folders that build a `cdylib`.
fn guests(metadata: &Value) -> anyhow::Result<Vec<Guest>> {
    let folders = ["filters", "examples", "testkit/guests"].map(|folder| root().join(folder));
    let mut guests = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let Some(folder) = manifest.parent().filter(|folder| folders.iter().any(|in_| folder.starts_with(in_))) else {
            continue;
        };
        let targets = package["targets"].as_array().into_iter().flatten();
        let Some(library) = targets.into_iter().find(|target| is_cdylib(target)) else { continue };
        guests.push(Guest {
            package: package["name"].as_str().context("a package without a name")?.to_owned(),
            module: library["name"].as_str().context("a target without a name")?.replace('-', "_"),
            is_for_tests: folder.starts_with(root().join("testkit")),
            name: folder.file_name().context("a crate in no folder")?.to_string_lossy().into_owned(),
        });
    }
    Ok(guests)
}

fn is_cdylib(target: &Value) -> bool {
    target["crate_types"].as_array().is_some_and(|types| types.iter().any(|type_| type_ == "cdylib"))
}

/// Writes the file whole or not at all, and only if it would change: an agent may be watching the folder.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let unfinished = path.with_extension("wasm.part");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)?;
    Ok(true)
}
