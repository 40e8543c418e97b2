//! The world of a module: read from the names of its imports and exports, written into it as the section that the encoder
//! reads.

use std::{collections::BTreeSet, fmt::Write as _};

use wasmparser::{Encoding, Parser, Payload};
use wit_component::StringEncoding;
use wit_parser::{Resolve, WorldId};

use crate::{EncodeError, PREVIEW1, misfit};

/// In the name of what a module of `wasi:http/middleware` exports, behind marks of the canonical ABI.
const STANDARD: &str = "wasi:http/handler@0.3.";

/// What can be told of a module from outside.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Interfaces of the contract, as they stand in the module: `weir:filter/http@0.1.0`.
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    pub(crate) carries_world: bool,
    pub(crate) wants_preview1: bool,
    /// An import that is nobody's of the contract: module and name.
    foreign: Option<(String, String)>,
    /// A function of the canonical ABI itself (tasks, streams, futures): there is one for what its world says is `async`.
    intrinsic: Option<(String, String)>,
    /// It exports the handler of `wasi:http`: a middleware, whose imports are those of the standard.
    is_standard: bool,
}

impl Shape {
    pub(crate) fn of(core: &[u8]) -> Result<Self, EncodeError> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(core) {
            match payload.map_err(broken)? {
                Payload::Version { encoding: Encoding::Component, .. } => return Err(EncodeError::Component),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(broken)?;
                        shape.import(import.module, import.name);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let name = export.map_err(broken)?.name;
                        let interface = name.split_once('#').map(|(interface, _)| interface);
                        shape.is_standard |= interface.is_some_and(|name| name.contains(STANDARD));
                        shape.exports.extend(interface.filter(|name| is_ours(name)).map(str::to_owned));
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with("component-type") => {
                    shape.carries_world = true;
                }
                _ => {}
            }
        }
        if let Some((module, name)) = shape.foreign.take_if(|_| !shape.carries_world || !shape.is_standard) {
            return Err(EncodeError::Import { module, name });
        }
        if let Some((module, name)) = shape.intrinsic.take_if(|_| !shape.carries_world) {
            return Err(EncodeError::Import { module, name });
        }
        if shape.exports.is_empty() && !shape.carries_world {
            return Err(EncodeError::NoExports(format!("{}/events@{}#on-done", weir_wit::PACKAGE, weir_wit::VERSION)));
        }
        Ok(shape)
    }

    fn import(&mut self, module: &str, name: &str) {
        if module == PREVIEW1 {
            self.wants_preview1 = true;
        } else if is_ours(module) {
            self.imports.insert(module.to_owned());
        } else if module == "$root" || module.starts_with("[export]") {
            self.intrinsic.get_or_insert_with(|| (module.to_owned(), name.to_owned()));
        } else {
            self.foreign.get_or_insert_with(|| (module.to_owned(), name.to_owned()));
        }
    }
}

fn is_ours(interface: &str) -> bool {
    interface.strip_prefix(weir_wit::PACKAGE).is_some_and(|rest| rest.starts_with('/'))
}

fn broken(error: wasmparser::BinaryReaderError) -> EncodeError {
    EncodeError::NotAModule(error.to_string())
}

/// Writes the world of this shape into the module.
pub(crate) fn embed(module: &mut Vec<u8>, shape: &Shape, contract: &str) -> Result<(), EncodeError> {
    embed_world(module, "guest", contract, &shape.imports, &shape.exports)
}

/// Writes a world of these interfaces into the module. The encoder merges the worlds of guest and adapter, so each has a
/// name of its own.
pub(crate) fn embed_world(
    module: &mut Vec<u8>,
    name: &str,
    contract: &str,
    imports: &BTreeSet<String>,
    exports: &BTreeSet<String>,
) -> Result<(), EncodeError> {
    let (resolve, world) = resolve(name, contract, imports, exports)?;
    wit_component::embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false).map_err(misfit)
}

fn resolve(
    name: &str,
    contract: &str,
    imports: &BTreeSet<String>,
    exports: &BTreeSet<String>,
) -> Result<(Resolve, WorldId), EncodeError> {
    let mut text = format!("package weir:{name};\nworld {name} {{\n");
    let imports = imports.iter().map(|interface| ("import", interface));
    for (word, interface) in imports.chain(exports.iter().map(|interface| ("export", interface))) {
        // writing to a string cannot fail
        let _ = writeln!(text, "  {word} {interface};");
    }
    text.push('}');
    let mut resolve = Resolve::default();
    resolve.push_str("filter.wit", contract).map_err(misfit)?;
    let package = resolve.push_str("world.wit", &text).map_err(misfit)?;
    let world = resolve.select_world(&[package], None).map_err(misfit)?;
    Ok((resolve, world))
}
