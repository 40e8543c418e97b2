//! Is this a filter at all? Decided by parsing, before anything is compiled.
//!
//! Bytes and grants go in; the world that it is of, or the fault, comes out.

use std::collections::BTreeSet;

use wasmparser::{Encoding, Parser, Payload};
use weir_artifact::{Capability, contract::Form, standard};

use crate::LoadFault;

/// The world of a component that may be a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// `weir:filter/filter`: hooks, called as the exchange passes.
    Filter,
    /// `weir:filter/stream-filter`: `async` hooks that have bodies as streams.
    StreamFilter,
    /// `wasi:http/middleware`: one handler around all that comes after it.
    Middleware,
}

impl World {
    /// Its full name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => Form::Events.world(),
            Self::StreamFilter => Form::Streaming.world(),
            Self::Middleware => "wasi:http/middleware",
        }
    }
}

/// Checks form, world, imports and grants.
///
/// # Errors
/// The first fault.
pub fn check(bytes: &[u8], grants: &BTreeSet<Capability>) -> Result<World, LoadFault> {
    let surface = Surface::parse(bytes)?;
    let is_ours = surface.exports.iter().any(|name| ours(name).is_some());
    if !is_ours && surface.exports.iter().any(|name| standard::is_handler(name)) {
        return check_standard(&surface, grants).map(|()| World::Middleware);
    }
    let form = Form::of(surface.exports.iter().filter_map(|name| Some(ours(name)?.0)));
    check_ours(&surface, form, grants)?;
    Ok(match form {
        Form::Events => World::Filter,
        Form::Streaming => World::StreamFilter,
    })
}

fn check_standard(surface: &Surface, grants: &BTreeSet<Capability>) -> Result<(), LoadFault> {
    for import in &surface.imports {
        match standard::import(import) {
            None => return Err(LoadFault::UnknownImport(import.clone())),
            Some(Some(capability)) if !grants.contains(&capability) => {
                return Err(LoadFault::NotGranted { import: import.clone(), grant: capability.interface().to_owned() });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_ours(surface: &Surface, form: Form, grants: &BTreeSet<Capability>) -> Result<(), LoadFault> {
    for interface in form.exports() {
        require_export(&surface.exports, interface)?;
    }
    // Whatever else it exports of the contract has to be of this one, too.
    for (name, version) in surface.exports.iter().filter_map(|name| Some((name, ours(name)?.1))) {
        check_version(name, version)?;
    }
    let mut unknown = Vec::new();
    for import in &surface.imports {
        let Some((interface, version)) = ours(import) else {
            unknown.push(import.clone());
            continue;
        };
        check_version(import, version)?;
        match form.import(interface) {
            Some(Some(capability)) if !grants.contains(&capability) => {
                let grant = capability.interface().to_owned();
                return Err(LoadFault::NotGranted { import: import.clone(), grant });
            }
            Some(_) => {}
            None => unknown.push(import.clone()),
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(LoadFault::UnknownImport(unknown.join(", "))) }
}

/// Names on the outside of a component.
#[derive(Default)]
struct Surface {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Surface {
    fn parse(bytes: &[u8]) -> Result<Self, LoadFault> {
        if !bytes.starts_with(b"\0asm") {
            return Err(LoadFault::NotWasm);
        }
        let malformed = |error: wasmparser::BinaryReaderError| LoadFault::Malformed(error.to_string());
        let mut surface = Self::default();
        let mut depth = 0_usize;
        let mut outermost = true;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: Encoding::Module, .. } if outermost => return Err(LoadFault::CoreModule),
                Payload::Version { .. } => outermost = false,
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        surface.imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        surface.exports.push(export.map_err(malformed)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }
}

/// `weir:filter/http@0.1.0` -> (`http`, `0.1.0`).
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(weir_wit::PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// Before 1.0, versions of the contract that differ in the last number only fit each other.
fn check_version(name: &str, version: &str) -> Result<(), LoadFault> {
    let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    if series(version) == series(weir_wit::VERSION) {
        return Ok(());
    }
    let ours = format!("{}@{}", weir_wit::PACKAGE, weir_wit::VERSION);
    Err(LoadFault::Version { found: name.to_owned(), ours })
}

fn require_export(exports: &[String], interface: &str) -> Result<(), LoadFault> {
    let found = exports.iter().find_map(|name| ours(name).filter(|(of, _)| *of == interface).map(|(_, v)| (name, v)));
    match found {
        Some((name, version)) => check_version(name, version),
        None => Err(LoadFault::MissingExport(format!("{}/{interface}@{}", weir_wit::PACKAGE, weir_wit::VERSION))),
    }
}
