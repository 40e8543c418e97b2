//! What is distributed: a filter's component, the signed statement that says how it is applied, settings of agents, and
//! the proof that all of it comes from a publisher the agent trusts. Bytes in, decision out: no I/O, no async, no clock of its own.
//!
//! The order of use: an [`Envelope`] is opened with [`TrustedKeys`], which verifies before anything is parsed and is the
//! only way to a [`Signed`] statement; a [`Ratchet`] admits it; an [`Artifact`] comes of it and the very bytes it names.
//!
//! Against whom: an orchestrator in wrong hands, or anybody between. It can withhold what is new. It cannot forge, alter,
//! bring back what an agent has left behind, give one group what was signed for another, or trust a key in our name.
#![deny(missing_docs)]

mod artifact;
pub mod contract;
mod digest;
mod join_token;
mod key;
mod limits;
mod name;
mod ratchet;
pub mod standard;
mod statement;
mod tag;
mod upstream;

pub use artifact::{Artifact, ArtifactError};
pub use digest::Digest;
pub use join_token::{JoinToken, JoinTokenError};
pub use key::{Envelope, KeyId, PublisherKey, SignatureError, Signed, TrustedKey, TrustedKeys};
pub use limits::{Limits, LimitsError};
pub use name::{GroupName, Name, NameError};
pub use ratchet::{Mark, Ratchet, Refusal};
pub use statement::{
    Capability, Configuration, Endorsement, FailurePolicy, FailureRule, Isolation, MAX_COMPONENT_BYTES,
    MAX_CONFIGURATION_BYTES, Publication, Removal, Statement, StatementError,
};
pub use tag::{TagPattern, TagPatternError, is_tag_name};
pub use upstream::{Upstream, UpstreamFault};
