//! `POST /api/v1/exchanges/import`: an HTTP Archive comes in. It is written to a file of the data folder that has no name,
//! looked at, and stored.

use std::{fs::File, sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Request, State},
    http::header,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt as _, sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_har::ImportError;

use super::{input::Params, problem::Problem, secrets::Asker, standing::Standing, vouched::unfinished};
use crate::{
    import::{self, ImportFailure, Imported},
    orchestrator::Orchestrator,
    seats::Seat,
    store::IMPORT_AGENT,
};

/// Of a file.
const MOST_BYTES: u64 = 4 << 30;

/// For another import to be stored.
const TURN: Duration = Duration::from_secs(600);

/// What is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sent {
    /// `har`, which it is by default
    format: Option<ImportForm>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ImportForm {
    Har,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Imported)]
pub(super) struct Answer {
    /// Exchanges that were not there before.
    imported: u64,
    /// Exchanges that the same file had brought before.
    known: u64,
    /// Messages of WebSockets among them, new or known.
    messages: u64,
    /// The agent that imported exchanges are shown under.
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    /// Who wrote the file, as far as it says.
    creator: String,
    /// What there was no place for, in words.
    notes: Vec<String>,
}

/// Imports an HTTP Archive of a browser or a proxy. All of it is stored, or, where an entry is wrong, nothing.
#[utoipa::path(post, path = "/api/v1/exchanges/import", operation_id = "importExchanges", tag = "exchanges", params(Sent),
    request_body(content = String, content_type = "application/json", description = "The file, at most 4 GiB; of an entry at most \
    32 MiB, of a body 9 MiB"),
    responses((status = 200, body = Answer),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 408, body = Problem, content_type = "application/problem+json", description = "It came slower than 16 KiB a second"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json", description = "An entry is wrong: `errors` says which and where. \
    Nothing was stored"),
    (status = 429, body = Problem, content_type = "application/problem+json", description = "Other imports are on their way: 3 \
    of this token or user, or 8 of all, of which 4 may be being sent; or it waited longer than 10 minutes for another to be stored; or too many requests"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "The database failed in the middle; \
    the detail says after how many. The same file again stores the others")))]
pub(super) async fn import(
    State(orchestrator): State<Arc<Orchestrator>>,
    Extension(standing): Extension<Standing>,
    asker: Asker,
    Params(Sent { format: None | Some(ImportForm::Har) }): Params<Sent>,
    request: Request,
) -> Result<Json<Answer>, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["application/json", "application/har+json", "application/octet-stream"].contains(&essence.as_str()) {
        return Err(Problem::unsupported_media_type());
    }
    // Until it is being stored; then it goes on to its end.
    let lapsed = standing.lapsed(Arc::clone(&orchestrator));
    let ready = ready(&orchestrator, asker.name(), request.into_body());
    let (file, held) = tokio::select! {
        ready = ready => ready?,
        () = lapsed => return Err(Problem::unauthorized()),
    };
    let storing = tokio::spawn(async move {
        let _held = held;
        import::store(&orchestrator, file).await
    });
    let imported = storing.await.map_err(|_| Problem::unavailable())?.map_err(refusal)?;
    tracing::info!(
        imported = imported.new,
        known = imported.known,
        creator = imported.source.creator,
        "a file was imported"
    );
    Ok(Json(answer(imported)))
}

/// The file, looked at, and the turn to store it with the place that the file takes.
async fn ready(
    orchestrator: &Orchestrator,
    name: &str,
    body: Body,
) -> Result<(File, (OwnedSemaphorePermit, Seat)), Problem> {
    let busy = || Problem::busy("other imports are on their way: try again when one has ended");
    // Before any of it is taken, until it is stored: those that wait lie on the disk.
    let seat = orchestrator.arriving.take(name).ok_or_else(busy)?;
    let upload = Arc::clone(&orchestrator.uploading).try_acquire_owned().map_err(|_| busy())?;
    let mut file = receive(orchestrator, body).await?;
    drop(upload);
    // What is here already waits its turn; whoever sends slowly keeps nobody from it.
    let turn = timeout(TURN, Arc::clone(&orchestrator.importing).acquire_owned()).await;
    let turn = turn.map_err(|_| Problem::busy("another import is being stored: try again when it has ended"))?;
    let turn = turn.map_err(|_| Problem::unavailable())?;
    // Whoever goes away now has it stop.
    let stop = CancellationToken::new();
    let stopping = stop.clone().drop_guard();
    let checked = tokio::task::spawn_blocking(move || import::check(&mut file, &stop).map(|()| file)).await;
    let file = checked.map_err(|_| Problem::unavailable())?.map_err(refusal)?;
    drop(stopping);
    Ok((file, (turn, seat)))
}

/// The body as a file that goes when it is closed.
async fn receive(orchestrator: &Orchestrator, body: Body) -> Result<File, Problem> {
    let fault = |error: std::io::Error| {
        tracing::error!(%error, "an import cannot be written to disk");
        Problem::unavailable()
    };
    let scratch = orchestrator.scratch.clone();
    let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(scratch)).await;
    let file = file.map_err(|_| Problem::unavailable())?.map_err(fault)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut chunks = body.into_data_stream();
    let mut length = 0;
    loop {
        let Some(chunk) = chunks.next().await else { break };
        let chunk = chunk.map_err(|error| {
            unfinished(&error).unwrap_or_else(|| Problem::bad_request(format!("the body broke off: {error}")))
        })?;
        length += chunk.len() as u64;
        if length > MOST_BYTES {
            return Err(Problem::too_large(format!("the file is longer than {MOST_BYTES} bytes")));
        }
        file.write_all(&chunk).await.map_err(fault)?;
    }
    file.flush().await.map_err(fault)?;
    Ok(file.into_std().await)
}

fn refusal(failure: ImportFailure) -> Problem {
    match failure {
        ImportFailure::File(error @ ImportError::Entry { .. }) => {
            let detail = error.to_string();
            let problem = Problem::unprocessable("entry", format!("nothing was imported: {detail}"));
            match error {
                ImportError::Entry { pointer, reason, .. } => problem.at(pointer, reason),
                ImportError::File(_) | ImportError::Stopped => problem,
            }
        }
        ImportFailure::File(error) => Problem::unprocessable("archive", format!("nothing was imported: {error}")),
        ImportFailure::Store { stored, error } => {
            tracing::error!(%error, stored, "an import was not stored to its end");
            Problem::not_all_stored(format!(
                "the database failed after {stored} exchanges; the same file again stores the others"
            ))
        }
        ImportFailure::Stopped => Problem::unavailable(),
    }
}

fn answer(imported: Imported) -> Answer {
    let left_out = imported.left_out;
    let mut notes: Vec<String> = left_out
        .entries
        .into_iter()
        .map(|(scheme, count)| {
            format!("{count} entries with addresses of `{scheme}:`, which is not HTTP, were left out")
        })
        .collect();
    if left_out.messages > 0 {
        notes.push(format!(
            "{} items among messages of WebSockets were left out: they are none, or beyond what is kept of one exchange",
            left_out.messages
        ));
    }
    if left_out.cut > 0 {
        notes.push(format!("{} texts, such as bodies, were longer than is kept and lost their ends", left_out.cut));
    }
    if left_out.odd > 0 {
        notes.push(format!(
            "{} members beyond the format (their names begin with `_`) cannot be read and were passed over: {}",
            left_out.odd,
            left_out.first_odd.join("; ")
        ));
    }
    Answer {
        imported: imported.new,
        known: imported.known,
        messages: imported.messages,
        agent: IMPORT_AGENT,
        creator: imported.source.creator,
        notes,
    }
}
