//! What can be told of WebAssembly from outside, module or component: form, imports, exports, who made it. By parsing only.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{BinaryReader, MemoryType, Parser, Payload, ProducersSectionReader, Validator};

/// Bytes that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnatomyError {
    /// Something else entirely.
    #[error("these bytes are not WebAssembly")]
    NotWasm,
    /// It begins as WebAssembly.
    #[error("this is damaged, or only half of it: {0}")]
    Damaged(String),
}

/// What it is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A core module: no agent loads it; [`crate::encode`] makes a component of it.
    Module,
    /// A component.
    Component,
}

/// See the module.
#[derive(Debug)]
pub struct Anatomy {
    /// Module or component.
    pub form: Form,
    /// Names on the outside: `weir:filter/log@0.1.0`; of a module `MODULE NAME`.
    pub imports: BTreeSet<String>,
    /// Names on the outside.
    pub exports: BTreeSet<String>,
    /// Memories of all modules inside.
    pub memories: Vec<Memory>,
    /// What its makers say of themselves, by `language`, `sdk` and `processed-by`: `Rust 1.95.0`.
    pub producers: BTreeMap<String, BTreeSet<String>>,
}

/// A memory as its module declares it, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// From the start.
    pub initial: u64,
    /// It never grows beyond.
    pub maximum: Option<u64>,
}

impl Anatomy {
    /// Takes it apart.
    ///
    /// # Errors
    /// These bytes are not WebAssembly, or not all of it.
    pub fn of(bytes: &[u8]) -> Result<Self, AnatomyError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(AnatomyError::NotWasm);
        }
        let form = if Parser::is_component(bytes) { Form::Component } else { Form::Module };
        let nothing = (BTreeSet::new(), BTreeSet::new(), Vec::new(), BTreeMap::new());
        let (imports, exports, memories, producers) = nothing;
        let mut anatomy = Self { form, imports, exports, memories, producers };
        // imports and exports of what lies inside are met from inside
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(damaged)?;
            match &payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            anatomy.take(payload, depth == 0).map_err(damaged)?;
        }
        Ok(anatomy)
    }

    fn take(&mut self, payload: Payload<'_>, is_outside: bool) -> wasmparser::Result<()> {
        match payload {
            Payload::ComponentImportSection(section) if is_outside => {
                for import in section {
                    self.imports.insert(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if is_outside => {
                for export in section {
                    self.exports.insert(export?.name.name.to_owned());
                }
            }
            Payload::ImportSection(section) if is_outside => {
                for import in section.into_imports() {
                    let import = import?;
                    self.imports.insert(format!("{} {}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) if is_outside => {
                for export in section {
                    self.exports.insert(export?.name.to_owned());
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory_of(memory?));
                }
            }
            Payload::CustomSection(section) if section.name() == "producers" => {
                // a note, which nobody has to be able to read
                let _ = self.made_by(section.data());
            }
            _ => {}
        }
        Ok(())
    }

    fn made_by(&mut self, section: &[u8]) -> wasmparser::Result<()> {
        for field in ProducersSectionReader::new(BinaryReader::new(section, 0))? {
            let field = field?;
            for value in field.values {
                let value = value?;
                let text = format!("{} {}", value.name, value.version);
                let told = self.producers.entry(field.name.to_owned()).or_default();
                told.insert(text.trim().to_owned());
            }
        }
        Ok(())
    }
}

/// The names of everything that a component imports.
///
/// # Errors
/// These bytes are not WebAssembly, or not all of it.
pub fn imports(component: &[u8]) -> Result<BTreeSet<String>, AnatomyError> {
    Ok(Anatomy::of(component)?.imports)
}

/// Is it well-formed to the last byte, as an engine would have it?
///
/// # Errors
/// What is not, and where.
pub fn validate(bytes: &[u8]) -> Result<(), AnatomyError> {
    Validator::new().validate_all(bytes).map(drop).map_err(damaged)
}

fn memory_of(memory: MemoryType) -> Memory {
    let page = 1_u64 << memory.page_size_log2.unwrap_or(16).min(16);
    let bytes = |pages: u64| pages.saturating_mul(page);
    Memory { initial: bytes(memory.initial), maximum: memory.maximum.map(bytes) }
}

fn damaged(error: wasmparser::BinaryReaderError) -> AnatomyError {
    AnatomyError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_told_from_a_component_and_taken_apart() {
        let text = r#"(module (import "env" "f" (func)) (memory (export "memory") 2 4))"#;
        let module = Anatomy::of(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(module.form, Form::Module);
        assert_eq!(module.imports, BTreeSet::from(["env f".to_owned()]));
        assert_eq!(module.exports, BTreeSet::from(["memory".to_owned()]));
        assert_eq!(module.memories, [Memory { initial: 128 << 10, maximum: Some(256 << 10) }]);

        let text = r#"(component (import "a:b/c@0.1.0" (instance)) (core module (memory 1) (@producers
            (language "Rust" "1.95.0") (processed-by "rustc" "1.95.0"))))"#;
        let component = Anatomy::of(&wat::parse_str(text).unwrap()).unwrap();
        assert_eq!(component.form, Form::Component);
        assert_eq!(component.imports, BTreeSet::from(["a:b/c@0.1.0".to_owned()]));
        assert_eq!(component.memories, [Memory { initial: 64 << 10, maximum: None }]);
        assert_eq!(component.producers["language"], BTreeSet::from(["Rust 1.95.0".to_owned()]));
    }

    #[test]
    fn other_bytes_have_words() {
        let words = |bytes: &[u8]| Anatomy::of(bytes).unwrap_err().to_string();
        assert_eq!(words(b"#!/bin/sh"), "these bytes are not WebAssembly");
        assert!(words(b"\0asm\x0d\0\x01\0\x0a\xff").starts_with("this is damaged, or only half of it: "));
        assert!(words(b"\0asm").starts_with("this is damaged"));
    }
}
