//! A component's bytes in, what it imports out: what it will have to be granted, or why it can be no filter. Parsing
//! only; the server looks again, and agents compile.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use weir_artifact::{Capability, MAX_COMPONENT_BYTES};

/// Where a component fails, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) phase: &'static str,
    pub(crate) reason: String,
}

const PACKAGE: &str = "weir:filter/";
const HOOKS: [&str; 2] = ["lifecycle", "events"];

/// The capabilities behind a component's imports.
pub(crate) fn inspect(bytes: &[u8]) -> Result<BTreeSet<Capability>, Fault> {
    let fault = |phase, reason: String| Fault { phase, reason };
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(fault("size", format!("{} bytes, more than {MAX_COMPONENT_BYTES}", bytes.len())));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(fault(
            "parse",
            "a core module; a filter is a component (wasm32-wasip2, or wasm-tools component new)".into(),
        ));
    }
    if !Parser::is_component(bytes) {
        return Err(fault("parse", "not WebAssembly".to_owned()));
    }
    let features = WasmFeatures::default();
    Validator::new_with_features(features).validate_all(bytes).map_err(|error| fault("parse", error.to_string()))?;
    let (imports, exports) = faces(bytes).map_err(|error| fault("parse", error.to_string()))?;
    let missing: Vec<&str> =
        HOOKS.into_iter().filter(|hook| !exports.iter().any(|name| interface(name) == Some(hook))).collect();
    if !missing.is_empty() {
        let reason = format!("not of world weir:filter/filter: it does not export {}", missing.join(" and "));
        return Err(fault("world", reason));
    }
    let mut needs = BTreeSet::new();
    for name in &imports {
        match interface(name) {
            Some("http") => {}
            Some(known) if Capability::ALL.iter().any(|capability| capability.interface() == known) => {
                needs.extend(Capability::ALL.into_iter().filter(|capability| capability.interface() == known));
            }
            _ => return Err(fault("imports", format!("it imports {name}, which no agent provides"))),
        }
    }
    Ok(needs)
}

/// The `log` of `weir:filter/log@0.1.0`.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with("0.1.").then_some(interface)
}

/// Names that the outermost component imports and exports.
fn faces(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), wasmparser::BinaryReaderError> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], phase: &str, says: &str) {
        let fault = inspect(bytes).unwrap_err();
        assert_eq!(fault.phase, phase, "{fault:?}");
        assert!(fault.reason.contains(says), "{fault:?}");
    }

    #[test]
    fn what_is_no_filter() {
        check(b"", "parse", "not WebAssembly");
        check(b"#!/bin/sh\n", "parse", "not WebAssembly");
        check(b"\0asm\x01\0\0\0", "parse", "a core module");
        check(b"\0asm\x0d\0\x01\0", "world", "does not export lifecycle and events");
        check(b"\0asm\x0d\0\x01\0\x07", "parse", "");
        check(&[b"\0asm\x0d\0\x01\0" as &[u8], &vec![0; 64 << 20]].concat(), "size", "more than 67108864");
    }

    #[test]
    fn only_this_version_of_the_contract() {
        assert_eq!(interface("weir:filter/log@0.1.0"), Some("log"));
        assert_eq!(interface("weir:filter/log@0.1.7"), Some("log"));
        for other in ["weir:filter/log@0.2.0", "weir:filter/log", "wasi:io/streams@0.2.0", "evil:filter/log@0.1.0"] {
            assert_eq!(interface(other), None, "{other}");
        }
    }
}
