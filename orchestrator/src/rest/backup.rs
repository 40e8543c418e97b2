//! `GET /api/v1/backup`: the whole store as one file, while it is used.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use tokio_stream::wrappers::ReceiverStream;

use super::{problem::Problem, secrets::Asker};
use crate::{
    backup,
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
};

/// The whole store: filters, agents, tokens (their hashes), users, the audit trail, exchanges and metrics; not the key of the certificate
/// authority. The file is packed by zstd; its last line says whether it is whole. That somebody took one is in the audit trail.
#[utoipa::path(get, path = "/api/v1/backup", operation_id = "backUp", tag = "server", responses(
    (status = 200, description = "The file", content_type = "application/zstd"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn backup(State(orchestrator): State<Arc<Orchestrator>>, asker: Asker) -> Result<Response, Problem> {
    let turn = Arc::clone(&orchestrator.backing_up).try_acquire_owned();
    let turn = turn.map_err(|_| Problem::busy("another backup is being written: try again when it has ended"))?;
    asker.leaves_entry(&orchestrator, "backup", StatusCode::OK).await?;
    let name: String = rfc3339(now_us()).chars().take(19).filter(|c| *c != ':').collect();
    let chunks = backup::begin(orchestrator, turn).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zstd".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"weir-{name}.backup\"")),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(chunks))).into_response())
}
