//! Agents that are too far apart from this orchestrator are told so, and what to upgrade, before anything they say could be
//! understood in part. What keeps their identity from ending (a certificate, an intermediate) they get all the same.

use tonic::{Request, Status};
use weir_proto::version;

use super::Service;
use crate::store::Agent;

impl Service {
    /// By what the agent says with its call.
    pub(super) fn understands<T>(&self, agent: &Agent, request: &Request<T>) -> Result<(), Status> {
        let says = request.metadata().get("user-agent").and_then(|value| value.to_str().ok());
        self.agrees(agent, says.and_then(version::of_user_agent).unwrap_or_default())
    }

    /// By the version that the agent names.
    pub(super) fn agrees(&self, agent: &Agent, named: &str) -> Result<(), Status> {
        refused(named).inspect_err(|status| {
            if self.orchestrator.fleet.refuse(agent.number, status.message().to_owned()) {
                tracing::warn!(agent = %agent.id, reason = status.message(), "an agent is refused");
            }
        })
    }
}

/// Nobody of this version is let in.
pub(super) fn refused(named: &str) -> Result<(), Status> {
    version::check(named, version::VERSION).map_err(|apart| Status::failed_precondition(apart.to_string()))
}
