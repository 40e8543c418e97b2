//! New filters: a name and a language enter, the files of a project leave that builds anywhere. What the project is made of is
//! what this repository builds and tests: an example of `examples/`, with the SDK beside it in `weir/`, laid out as here, so
//! that no registry has to have it. Must not know a server, or how a filter runs.
#![deny(missing_docs)]

mod language;
mod name;
mod project;

pub use language::Language;
pub use name::{FilterName, NameFault};
pub use project::{WriteFault, files, write};

/// Path in the repository, and contents.
const EMBEDDED: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The root of the SDK's crates.
const WORKSPACE: &str = include_str!(concat!(env!("OUT_DIR"), "/workspace.toml"));
