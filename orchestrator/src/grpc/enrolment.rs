//! A one-time token and a public key come in; an agent's id and certificate go out.

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::v1::{JoinRequest, JoinResponse, enrolment_server::Enrolment};

use super::{Service, bounded, unavailable};
use crate::{clock::now_us, store::Spend, tokens};

#[tonic::async_trait]
impl Enrolment for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        let id = Uuid::now_v7();
        // Signed before the token is spent: a request that cannot be signed costs nothing.
        let certificate_chain = self
            .orchestrator
            .pki
            .sign_agent(id, &request.certificate_request)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (name, version) = (bounded(&request.name, 255), bounded(&request.version, 64));
        let hash = tokens::hash(&request.token);
        let spent = self.orchestrator.store.join(hash, id, &name, &version, now_us()).await;
        let group = match spent.map_err(|error| unavailable(&error))? {
            Spend::Joined(group) => group,
            Spend::Unknown => return Err(Status::unauthenticated("the join token is not one of this orchestrator")),
            Spend::Spent => return Err(Status::unauthenticated("the join token was used before: make another")),
            Spend::Expired => return Err(Status::unauthenticated("the join token has expired: make another")),
        };
        tracing::info!(agent = %id, name, group, "an agent joined");
        let certificate_chain = certificate_chain.into_iter().map(Into::into).collect();
        Ok(Response::new(JoinResponse { agent_id: id.to_string(), certificate_chain, group }))
    }
}
