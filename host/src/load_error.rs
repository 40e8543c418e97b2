//! Why a component does not become a filter: which filter, in which phase, and what its author or publisher can do.

use weir_artifact::Name;

use crate::line;

/// A component was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter {filter} version {version} refused in {}: {}", fault.phase(), line::reason(fault))]
pub struct LoadError {
    /// The filter.
    pub filter: Name,
    /// The version that was refused.
    pub version: u64,
    /// What is wrong.
    pub fault: LoadFault,
}

impl LoadError {
    /// The phase that refused it: `parse`, `world`, `grants`, `compile`, `link`, `instantiate`, `validate-config` or
    /// `configure`.
    pub fn phase(&self) -> &'static str {
        self.fault.phase()
    }

    /// What is wrong, as one line of bounded length whatever the guest had to say.
    pub fn reason(&self) -> String {
        line::reason(&self.fault)
    }
}

/// What is wrong with a component or its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadFault {
    /// Other bytes.
    #[error("these bytes are not WebAssembly")]
    NotWasm,
    /// A module without the component around it.
    #[error("this is a core module, not a component: `agent filter build` makes one of it")]
    CoreModule,
    /// It begins as a component and is none.
    #[error("the component is not valid: {0}")]
    Malformed(String),
    /// An interface of the world is not exported.
    #[error(
        "it does not export {0}: it is a component neither of a world of weir:filter nor of wasi:http/middleware@0.3"
    )]
    MissingExport(String),
    /// Written for another version of the contract.
    #[error("it speaks {found}, this agent {ours}")]
    Version {
        /// As the component states it.
        found: String,
        /// What this agent offers.
        ours: String,
    },
    /// No filter may import this.
    #[error("it imports {0}, which no agent offers")]
    UnknownImport(String),
    /// The publication does not grant this.
    #[error("it imports {import}, which its publication does not grant: publish it with the grant `{grant}`")]
    NotGranted {
        /// As the component states it.
        import: String,
        /// What would have to be granted.
        grant: String,
    },
    /// Cranelift does not take it.
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    /// An import or export does not have the contract's type.
    #[error("it does not fit the contract: {0}")]
    Link(String),
    /// It trapped while it started.
    #[error("it does not start: {0}")]
    Instantiate(String),
    /// It has as many instances as it may, or all filters together have.
    #[error("no room for one more instance: a filter has {share} at most beside one on each worker")]
    NoRoom {
        /// Most instances of one filter.
        share: u32,
    },
    /// The guest failed while it looked at its configuration.
    #[error("{reason}")]
    Trap {
        /// `validate-config` or `configure`.
        phase: &'static str,
        /// In words.
        reason: String,
    },
    /// The configuration is wrong.
    #[error("the configuration is wrong: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// Each with its place.
        problems: Vec<Problem>,
    },
    /// `configure` declined.
    #[error("{0}")]
    Configure(String),
}

impl LoadFault {
    pub(crate) fn phase(&self) -> &'static str {
        match self {
            Self::NotWasm | Self::CoreModule | Self::Malformed(_) => "parse",
            Self::MissingExport(_) | Self::Version { .. } | Self::UnknownImport(_) => "world",
            Self::NotGranted { .. } => "grants",
            Self::Compile(_) => "compile",
            Self::Link(_) => "link",
            Self::Instantiate(_) | Self::NoRoom { .. } => "instantiate",
            Self::Trap { phase, .. } => phase,
            Self::Config { .. } => "validate-config",
            Self::Configure(_) => "configure",
        }
    }
}

/// A fault in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if pointer.is_empty() { String::new() } else { format!("at {pointer}: ") })]
pub struct Problem {
    /// RFC 6901 pointer into the configuration, "" for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}
