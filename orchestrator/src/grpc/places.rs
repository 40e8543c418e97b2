//! An agent has few streams of a kind at a time, however many connections it opens: each may hold a message, and a component.
//! Two, since one whose connection died without a word is still here when the next one comes.

use tonic::Status;

use super::Service;
use crate::{seats::Seat, store::Agent};

/// Of a kind, for one agent.
pub(super) const EACH: usize = 2;

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Traffic,
    Metrics,
    Component,
}

impl Service {
    /// A place for one more; free again when dropped.
    pub(super) fn place(&self, agent: &Agent, kind: Kind) -> Result<Seat, Status> {
        self.places.take(&format!("{kind:?} {}", agent.number)).ok_or_else(|| {
            Status::resource_exhausted(format!(
                "agent {} has {EACH} streams of this kind already: does another process use its identity?",
                agent.id
            ))
        })
    }
}
