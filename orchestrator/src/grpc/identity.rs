//! Who calls: the common name of the certificate that the handshake proved, never a field of a message. It counts as long
//! as the certificate lasts and nobody took the identity away, also in the midst of a stream.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::time::timeout;
use tonic::{Request, Status};
use uuid::Uuid;

use super::{Service, unavailable};
use crate::{
    clock::{now_us, rfc3339},
    store::Agent,
};

/// Between two looks whether an agent still counts, at most.
const LOOK: Duration = Duration::from_secs(60);

/// What a client certificate says.
pub(super) struct Shown {
    pub(super) id: Uuid,
    ends_us: u64,
}

impl Service {
    /// The agent that calls, and when its certificate ends; an error for whoever has none that counts.
    pub(super) async fn certified<T>(&self, request: &Request<T>) -> Result<(Agent, u64), Status> {
        let Shown { id, ends_us } =
            shown(&leaf(request)?).ok_or_else(|| Status::unauthenticated("the certificate names no agent"))?;
        // The handshake looked at this too; the connection may be older than the certificate's end.
        if ends_us <= now_us() {
            return Err(ended(id, ends_us));
        }
        self.paces.call(id)?;
        Ok((self.still(id).await?, ends_us))
    }

    /// The agent that calls.
    pub(super) async fn caller<T>(&self, request: &Request<T>) -> Result<Agent, Status> {
        Ok(self.certified(request).await?.0)
    }

    /// Comes when the agent's identity is taken away, or its certificate ends, with what to tell it.
    pub(super) async fn over(&self, agent: &Agent, ends_us: u64) -> Status {
        let mut revocations = self.orchestrator.fleet.revocations();
        loop {
            if let Err(status) = self.still(agent.id).await {
                return status;
            }
            // A clock may be set, and a machine may sleep.
            let look = Duration::from_micros(ends_us.saturating_sub(now_us())).min(LOOK);
            match timeout(look, revocations.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) if ends_us <= now_us() => return ended(agent.id, ends_us),
                Err(_) => {}
            }
        }
    }

    /// The agent, unless its identity was taken away.
    pub(super) async fn still(&self, id: Uuid) -> Result<Agent, Status> {
        match self.orchestrator.store.agent(id).await {
            Ok(Some(agent)) if agent.is_revoked => {
                Err(Status::unauthenticated(format!("agent {id} was revoked: join again with a new join token")))
            }
            Ok(Some(agent)) => Ok(agent),
            Ok(None) => Err(Status::unauthenticated(format!("agent {id} is not known here: join again"))),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// The certificate that the handshake proved.
pub(super) fn leaf<T>(request: &Request<T>) -> Result<CertificateDer<'static>, Status> {
    let leaf = request.peer_certs().and_then(|chain| chain.first().cloned());
    leaf.ok_or_else(|| Status::unauthenticated("show the certificate that joining gave you"))
}

fn ended(id: Uuid, ends_us: u64) -> Status {
    Status::unauthenticated(format!("the certificate of agent {id} ended at {}: join again", rfc3339(ends_us)))
}

pub(super) fn shown(leaf: &[u8]) -> Option<Shown> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    if names.next().is_some() {
        return None;
    }
    let ends = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
    Some(Shown { id: Uuid::try_parse(name).ok()?, ends_us: ends.saturating_mul(1_000_000) })
}
