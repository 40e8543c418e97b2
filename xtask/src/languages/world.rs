//! The world of one filter, for tools that put every import of a world into the component, used or not. An import is a
//! capability that has to be granted, so a filter's world has only what its source asks for.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use weir_wit::{FILTER_WIT, PACKAGE, VERSION};

use super::Project;

/// What every filter has.
const IMPORTS: [&str; 2] = ["http", "log"];
const EXPORTS: [&str; 2] = ["lifecycle", "events"];

/// The name of the world that [`write`] writes.
pub(super) const NAME: &str = "guest";

/// Writes a folder with the contract and the filter's world. `asks` says whether the source asks for an interface of the contract
/// as an import, or for one as an export.
pub(super) fn write(project: &Project, asks: impl Fn(&str) -> bool) -> anyhow::Result<PathBuf> {
    let folder = project.scratch.join("wit");
    let contract = folder.join("deps/filter");
    fs::create_dir_all(&contract)?;
    fs::write(contract.join("filter.wit"), FILTER_WIT)?;
    let (offered, taken) = interfaces()?;
    let wanted = |always: &[&str], all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|name| always.contains(&name.as_str()) || asks(name)).collect()
    };
    let mut text = format!("package weir:{NAME};\n\nworld {NAME} {{\n");
    for name in wanted(&IMPORTS, offered) {
        text.push_str(&format!("  import {PACKAGE}/{name}@{VERSION};\n"));
    }
    for name in wanted(&EXPORTS, taken) {
        text.push_str(&format!("  export {PACKAGE}/{name}@{VERSION};\n"));
    }
    text.push_str("}\n");
    fs::write(folder.join("world.wit"), text)?;
    Ok(folder)
}

/// Interfaces that any world of the contract imports, and those that any exports.
fn interfaces() -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let mut resolve = wit_bindgen_core::wit_parser::Resolve::default();
    let package = resolve.push_str("filter.wit", FILTER_WIT).context("wit/filter.wit")?;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for world in resolve.packages[package].worlds.values().map(|world| &resolve.worlds[*world]) {
        imports.extend(world.imports.keys().map(|key| resolve.name_world_key(key)));
        exports.extend(world.exports.keys().map(|key| resolve.name_world_key(key)));
    }
    Ok((short(imports), short(exports)))
}

/// `weir:filter/http@0.1.0` -> `http`, each once.
fn short(names: Vec<String>) -> Vec<String> {
    let mut short: Vec<String> = names
        .iter()
        .filter_map(|name| name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split('@').next())
        .map(str::to_owned)
        .collect();
    short.sort();
    short.dedup();
    short
}
