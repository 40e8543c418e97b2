//! Who calls: the common name of the certificate that the handshake proved, never a field of a message.

use tonic::{Request, Status};
use uuid::Uuid;

use super::{Service, unavailable};
use crate::store::Agent;

impl Service {
    /// The agent that calls; an error for whoever has no certificate, or joined another orchestrator, or was removed.
    pub(super) async fn caller<T>(&self, request: &Request<T>) -> Result<Agent, Status> {
        let certificates = request.peer_certs();
        let leaf = certificates.as_deref().and_then(|chain| chain.first());
        let leaf = leaf.ok_or_else(|| Status::unauthenticated("show the certificate that joining gave you"))?;
        let id = common_name(leaf).ok_or_else(|| Status::unauthenticated("the certificate names no agent"))?;
        match self.orchestrator.store.agent(id).await {
            Ok(Some(agent)) => Ok(agent),
            Ok(None) => Err(Status::unauthenticated(format!("agent {id} is not known here: join again"))),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn common_name(leaf: &[u8]) -> Option<Uuid> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    if names.next().is_some() {
        return None;
    }
    Uuid::try_parse(name).ok()
}
