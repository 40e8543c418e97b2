//! Looks at a component before it is stored: by parsing only, never by running or compiling. It refuses early and in
//! words what agents would refuse anyway.

use std::collections::BTreeSet;

use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload, Validator};
use weir_artifact::{Capability, contract::Form, standard};

/// The world's version, without its patch number.
const VERSION: &str = "0.1.";

/// Whoever built or published the component is to blame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ComponentRefusal {
    #[error("it has {0} bytes, more than {most}", most = mebibytes(*.1))]
    TooLarge(u64, u64),
    #[error("it is not WebAssembly: it does not begin with the magic bytes `\\0asm`")]
    NotWasm,
    #[error("it is a core module, not a component: `agent filter build` makes one of it")]
    CoreModule,
    #[error("it is damaged: {0}")]
    Invalid(String),
    #[error(
        "it is not of world weir:filter/filter@0.1: it does not export weir:filter/{0}@0.1; nor is it of \
         wasi:http/middleware@0.3"
    )]
    WrongWorld(&'static str),
    #[error("it imports `{0}`, which agents do not have")]
    UnknownImport(String),
    #[error("it imports what takes `{0}`, which the statement does not grant: push with `--grant {0}`")]
    NotGranted(&'static str),
}

impl ComponentRefusal {
    /// Which step of looking at it failed, in the words of agents.
    pub(crate) fn phase(&self) -> &'static str {
        match self {
            Self::TooLarge(..) => "size",
            Self::NotWasm | Self::CoreModule | Self::Invalid(_) => "parse",
            Self::WrongWorld(_) | Self::UnknownImport(_) => "world",
            Self::NotGranted(_) => "grants",
        }
    }
}

/// Checks the whole component.
pub(crate) fn check(bytes: &[u8], most: u64, grants: &BTreeSet<Capability>) -> Result<(), ComponentRefusal> {
    match needs(bytes, most)?.difference(grants).next() {
        Some(missing) => Err(ComponentRefusal::NotGranted(missing.interface())),
        None => Ok(()),
    }
}

/// Checks the whole component but for grants, and gives those it needs.
pub(crate) fn needs(bytes: &[u8], most: u64) -> Result<BTreeSet<Capability>, ComponentRefusal> {
    let size = bytes.len() as u64;
    if size > most {
        return Err(ComponentRefusal::TooLarge(size, most));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentRefusal::NotWasm);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(ComponentRefusal::CoreModule);
    }
    let needs = check_world(bytes)?;
    Validator::new().validate_all(bytes).map_err(|error| ComponentRefusal::Invalid(error.to_string()))?;
    Ok(needs)
}

fn mebibytes(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{} MiB", bytes >> 20) } else { bytes.to_string() }
}

fn check_world(bytes: &[u8]) -> Result<BTreeSet<Capability>, ComponentRefusal> {
    let invalid = |error: wasmparser::Error| ComponentRefusal::Invalid(error.to_string());
    let mut exports = BTreeSet::new();
    let mut imports = Vec::new();
    let mut is_handler = false;
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(ComponentRefusal::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(invalid)?;
                    if export.kind == ComponentExternalKind::Instance {
                        exports.extend(interface(export.name.name));
                        is_handler |= standard::is_handler(export.name.name);
                    }
                }
            }
            _ => {}
        }
    }
    if is_handler && exports.is_empty() {
        return imports.into_iter().filter_map(|name| behind_standard(name).transpose()).collect();
    }
    let form = Form::of(exports.iter().copied());
    let needs = imports.into_iter().filter_map(|name| behind(form, name).transpose()).collect::<Result<_, _>>()?;
    match form.exports().into_iter().find(|needed| !exports.contains(needed)) {
        Some(missing) => Err(ComponentRefusal::WrongWorld(missing)),
        None => Ok(needs),
    }
}

/// `log` of `weir:filter/log@0.1.0`.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("weir:filter/")?.split_once('@')?;
    version.starts_with(VERSION).then_some(interface)
}

/// The capability that an import of a middleware takes, if it takes one.
fn behind_standard(name: &str) -> Result<Option<Capability>, ComponentRefusal> {
    standard::import(name).ok_or_else(|| ComponentRefusal::UnknownImport(name.chars().take(256).collect()))
}

/// The capability that an import takes, if it takes one.
fn behind(form: Form, name: &str) -> Result<Option<Capability>, ComponentRefusal> {
    let unknown = || ComponentRefusal::UnknownImport(name.chars().take(256).collect());
    interface(name).and_then(|interface| form.import(interface)).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    fn check(bytes: &[u8]) -> ComponentRefusal {
        super::check(bytes, 100, &BTreeSet::new()).unwrap_err()
    }

    #[test]
    fn what_is_no_filter_is_refused_in_words() {
        assert_eq!(check(b"GIF89a"), ComponentRefusal::NotWasm);
        assert_eq!(check(&[0; 101]), ComponentRefusal::TooLarge(101, 100));
        assert_eq!(check(b"\0asm\x01\0\0\0"), ComponentRefusal::CoreModule);
        assert_eq!(check(&COMPONENT), ComponentRefusal::WrongWorld("lifecycle"));
        assert!(matches!(check(&COMPONENT[..6]), ComponentRefusal::Invalid(_)));
        assert!(matches!(check(&[&COMPONENT[..], &[10, 200]].concat()), ComponentRefusal::Invalid(_)));
    }

    #[test]
    fn imports_have_to_be_known() {
        assert_eq!(behind(Form::Events, "weir:filter/http@0.1.3"), Ok(None));
        assert_eq!(behind(Form::Events, "weir:filter/limits@0.1.0"), Ok(None));
        assert_eq!(behind(Form::Events, "weir:filter/log@0.1.0"), Ok(Some(Capability::Log)));
        for unknown in ["wasi:cli/stdout@0.2.0", "weir:filter/http@0.2.0", "weir:filter/files@0.1.0", "x", ""] {
            assert_eq!(behind(Form::Events, unknown), Err(ComponentRefusal::UnknownImport(unknown.to_owned())));
        }
    }
}
