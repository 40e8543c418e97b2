//! What is distributed: a filter's component, the signed statement that says how it is applied, and the proof that
//! both come from a publisher the agent trusts. Bytes in, decision out: no I/O, no async, no clock of its own.
//!
//! The order of use cannot be got wrong: an [`Envelope`] is opened with [`TrustedKeys`] before its statement is
//! parsed, a [`Ratchet`] admits the statement, and only then does an [`Artifact`] with its bytes come into being.
#![deny(missing_docs)]

mod artifact;
mod digest;
mod join_token;
mod key;
mod limits;
mod name;
mod ratchet;
mod statement;

pub use artifact::{Artifact, ArtifactError};
pub use digest::Digest;
pub use join_token::{JoinToken, JoinTokenError};
pub use key::{Envelope, KeyId, PublisherKey, SignatureError, Signed, TrustedKey, TrustedKeys};
pub use limits::{Limits, LimitsError};
pub use name::{GroupName, Name, NameError};
pub use ratchet::{Mark, Ratchet, Refusal};
pub use statement::{
    Capability, Endorsement, FailurePolicy, Isolation, Publication, Removal, Statement, StatementError,
};
