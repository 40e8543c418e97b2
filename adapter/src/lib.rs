//! Core module of any language -> component of the contract, which imports nothing but the contract.
//!
//! What enters is what a compiler for wasm writes: exports and imports by the canonical ABI, and perhaps
//! `wasi_snapshot_preview1`, because language runtimes cannot do without. The latter is answered inside the component, by a
//! module that gives nothing away (`null.wat`). Must not know: any language, and what the filter does.
#![deny(missing_docs)]

mod anatomy;
mod null;
mod world;

#[cfg(test)]
mod tests;

pub use anatomy::{Anatomy, AnatomyError, Form, Memory, imports, validate};
use weir_wit::FILTER_WIT;
use wit_component::ComponentEncoder;

/// The module of the functions that language runtimes expect of a system.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// Why a module does not become a component. Each is the fault of whoever built the module.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// These bytes are no core module.
    #[error("not a core WebAssembly module: {0}")]
    NotAModule(String),
    /// It is a component already.
    #[error("this is a component already: it needs no building")]
    Component,
    /// It wants something that nobody provides.
    #[error("the module imports `{module}` `{name}`, which is neither of the contract nor of {PREVIEW1}")]
    Import {
        /// Where from.
        module: String,
        /// What.
        name: String,
    },
    /// It exports nothing that an agent could call.
    #[error("the module exports no interface of the contract: its exports are named as in `{0}`")]
    NoExports(String),
    /// Imports and exports are named as the contract names them, and of other types; or one is missing.
    #[error("the module does not fit the contract: {0}")]
    Misfit(String),
}

/// Makes a component of a core module. The module's exports say what it is: a module that exports functions of `events`
/// exports the interface `events`. A module that carries its world in a section of its own, as Rust's do, is believed; so
/// is one of `wasi:http/middleware`, which then imports what that world has.
///
/// # Errors
/// The module is not what it should be.
pub fn encode(core: &[u8]) -> Result<Vec<u8>, EncodeError> {
    encode_for(core, FILTER_WIT)
}

fn encode_for(core: &[u8], contract: &str) -> Result<Vec<u8>, EncodeError> {
    let shape = world::Shape::of(core)?;
    let mut module = core.to_vec();
    if !shape.carries_world {
        world::embed(&mut module, &shape, contract)?;
    }
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).map_err(misfit)?;
    if shape.wants_preview1 {
        encoder.adapter(PREVIEW1, &null::adapter(contract)?).map_err(misfit)?;
    }
    encoder.encode().map_err(misfit)
}

/// Every cause, on one line.
fn misfit(error: impl std::fmt::Display) -> EncodeError {
    EncodeError::Misfit(format!("{error:#}"))
}
