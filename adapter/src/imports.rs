//! What a component asks of its host.

use std::collections::BTreeSet;

use wasmparser::{Parser, Payload};

use crate::EncodeError;

/// The names of everything that a component imports.
///
/// # Errors
/// These bytes are not WebAssembly.
pub fn imports(component: &[u8]) -> Result<BTreeSet<String>, EncodeError> {
    let broken = |error: wasmparser::BinaryReaderError| EncodeError::NotAModule(error.to_string());
    // imports of what lies inside are met from inside
    let mut depth = 0_usize;
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(broken)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.insert(import.map_err(broken)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}
