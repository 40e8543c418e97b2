//! An agent whose operator chose the fleet's root asks for an intermediate of its own. Who is revoked gets none.

use tonic::{Request, Response, Status};
use weir_proto::v1::{CertifyRequest, CertifyResponse, interception_server::Interception};

use super::Service;

#[tonic::async_trait]
impl Interception for Service {
    async fn certify(&self, request: Request<CertifyRequest>) -> Result<Response<CertifyResponse>, Status> {
        let agent = self.caller(&request).await?;
        let roots = &self.orchestrator.roots;
        let cannot = |error: crate::pki::PkiError| {
            tracing::error!(%error, "the root for interception cannot be used");
            Status::failed_precondition("the orchestrator's root for interception cannot be used; its log says why")
        };
        let root = roots.load().map_err(cannot)?.ok_or_else(|| {
            Status::failed_precondition(
                "this orchestrator has no root for interception: `orchestrator ca create` makes one, or set intercept.ca = \"own\"",
            )
        })?;
        if !root.is_online() {
            return Err(Status::failed_precondition(
                "the key of the root for interception is kept elsewhere: have `agent ca --request` signed there with `orchestrator \
                 ca sign`, and give the answer to `agent ca --install`",
            ));
        }
        let request = request.into_inner().certificate_request;
        let chain = roots.sign(&root, &agent.id.to_string(), &request);
        let chain = chain.map_err(|error| Status::invalid_argument(error.to_string()))?;
        tracing::info!(agent = %agent.id, "an agent got an intermediate for interception");
        Ok(Response::new(CertifyResponse { certificate_chain: chain.into_iter().map(Into::into).collect() }))
    }
}
