//! A one-time token and a public key come in; an agent's id and certificate go out. The same two again give the same
//! agent: its request is signed with the key, and a certificate is worth nothing without it.

use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::v1::{JoinRequest, JoinResponse, enrolment_server::Enrolment};

use super::{Service, bounded, unavailable, version::refused};
use crate::{
    access::joined,
    clock::now_us,
    store::{Joining, Spend},
    tokens,
};

#[tonic::async_trait]
impl Enrolment for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let source = request.remote_addr().map(|address| address.ip());
        let request = request.into_inner();
        // Before the token is spent: it is good for another attempt.
        refused(&request.version)?;
        // Each costs a look into the database.
        let address = source.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        self.paces.join(address)?;
        let hash = tokens::hash(&request.token);
        let unknown = || Status::unauthenticated("the join token is not one of this orchestrator");
        // Nothing is signed, and no other writer waits, for a stranger.
        if !self.orchestrator.store.is_join_token(hash).await.map_err(|error| unavailable(&error))? {
            return Err(unknown());
        }
        let new = Uuid::now_v7();
        let sign = |id| {
            let signed = self.orchestrator.pki.sign_agent(id, &request.certificate_request);
            signed.map_err(|error| Status::invalid_argument(error.to_string()))
        };
        // Signed before the token is spent: a request that cannot be signed costs nothing.
        let mut certificate_chain = sign(new)?;
        let key = key_hash(&certificate_chain[0]).ok_or_else(|| Status::internal("the certificate cannot be read"))?;
        let (name, version) = (bounded(&request.name, 255), bounded(&request.version, 64));
        let joining = Joining { id: new, key, name: &name, version: &version };
        let now = now_us();
        let entry = |group: &str| joined(new, format!("{name}, group {group}"), source, now);
        let spent = self.orchestrator.store.join(hash, joining, entry, now).await;
        let (id, group) = match spent.map_err(|error| unavailable(&error))? {
            Spend::Joined { id, group } => (id, group),
            Spend::Unknown => return Err(unknown()),
            Spend::Spent => return Err(Status::unauthenticated("the join token was used before: make another")),
            Spend::Revoked => return Err(Status::unauthenticated("the join token was revoked: make another")),
            Spend::Expired => return Err(Status::unauthenticated("the join token has expired: make another")),
        };
        if id == new {
            self.paces.joined(address);
            tracing::info!(agent = %id, name, group, "an agent joined");
        } else {
            certificate_chain = sign(id)?;
            tracing::info!(agent = %id, name, group, "an agent that had joined did not hear of it and was told again");
        }
        let certificate_chain = certificate_chain.into_iter().map(Into::into).collect();
        Ok(Response::new(JoinResponse { agent_id: id.to_string(), certificate_chain, group }))
    }
}

/// Of the key that a certificate is for.
fn key_hash(certificate: &[u8]) -> Option<[u8; 32]> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Sha256::digest(certificate.public_key().raw).into())
}
