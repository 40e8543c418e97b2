//! `/api/v1/exchanges/export` and `/api/v1/exchanges/{id}/export`: exchanges in the forms of others, written as they are read.
//! Of a million one is in memory, and the ids of a page. Whoever goes away has it stop.

mod form;
mod ids;

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::stream;
use prost::Message as _;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Message};

pub(super) use self::form::ExportForm;
use self::{form::file, ids::Ids};
use super::{
    held::{self, Held},
    input::{Id, Params},
    problem::Problem,
    secrets::{Asker, Secrets},
};
use crate::{
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    seats::Seat,
    store::{Damage, StoreError, Summary},
};

/// Of `limit`: as many ids are in memory.
const MOST: usize = 100_000;
/// Small exchanges are sent together.
const CHUNK: usize = 64 << 10;
/// Larger ones are written off the I/O threads.
const INLINE_BYTES: usize = 32 << 10;
/// Of the messages of one exchange, about; more are left out.
const MESSAGES_BYTES: usize = 16 << 20;
/// Messages that are read at a time.
const MESSAGES: usize = 500;

/// Which exchanges, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In the query grammar, as for listings; none for all
    query: Option<String>,
    /// By default `har`
    format: Option<ExportForm>,
    /// The newest so many, 1 to 100000, oldest first; without it all, in the order in which they came
    limit: Option<usize>,
    /// Show Authorization, Proxy-Authorization, Cookie and Set-Cookie, which are hidden otherwise
    reveal: Option<bool>,
}

/// How.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WantedOfOne {
    /// By default `har`
    format: Option<ExportForm>,
    /// Show Authorization, Proxy-Authorization, Cookie and Set-Cookie, which are hidden otherwise
    reveal: Option<bool>,
}

/// Exchanges that fit, in a form of others, as a file. A body that is damaged or missing is left out and said to be: in `comment` of its
/// entry (HAR), in a comment before the command (curl), in a field `weir-body-damaged` (raw). How many were left out, since the query
/// asks for a body that is damaged, is told at the end of the file, except by raw messages. A file that cannot be written to its end for
/// another reason is cut off, never ended.
#[utoipa::path(get, path = "/api/v1/exchanges/export", operation_id = "exportExchanges", tag = "exchanges", params(Wanted),
    responses((status = 200, description = "The file", content(("application/json"), ("text/plain"), ("application/octet-stream"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn many(
    State(orchestrator): State<Arc<Orchestrator>>,
    asker: Asker,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let text = wanted.query.unwrap_or_default();
    let query = asker.query(&text)?;
    let secrets = Secrets::asked(&orchestrator, &asker, wanted.reveal).await?;
    let busy = || Problem::busy("other exports are being written: try again when one has ended");
    let turn = orchestrator.exporting.take(asker.name()).ok_or_else(busy)?;
    let ids = match wanted.limit {
        None => Ids::all(&orchestrator, query).await?,
        Some(limit @ 1..=MOST) => Ids::newest(&orchestrator, &query, limit).await?,
        Some(_) => return Err(Problem::bad_request(format!("limit has to be 1 to {MOST}; without it there is none"))),
    };
    let form = wanted.format.unwrap_or_default();
    let name = format!("weir-{}", rfc3339(now_us()).chars().take(19).filter(|c| *c != ':').collect::<String>());
    let writing = Writing { orchestrator, ids, form, secrets, written: 0, state: Place::Begin, _turn: turn };
    Ok(file(form, &name, Body::from_stream(stream::try_unfold(writing, Writing::next))))
}

/// One exchange in a form of others, as a file.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/export", operation_id = "exportExchange", tag = "exchanges",
    params(("id" = String, Path,), WantedOfOne),
    responses((status = 200, description = "The file", content(("application/json"), ("text/plain"), ("application/octet-stream"))),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn one(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    asker: Asker,
    Params(wanted): Params<WantedOfOne>,
) -> Result<Response, Problem> {
    let absent = || Problem::not_found(format!("there is no exchange {id}"));
    let bytes = orchestrator.store.outline(id).await?.ok_or_else(absent)?.whole_bytes();
    let turn = held::turn(&orchestrator, asker.name(), bytes).await?;
    // The exchange and what is written of it, until that lies in a file.
    let _room = orchestrator.room_for(bytes.saturating_mul(2)).await.ok_or_else(Problem::unavailable)?;
    let (summary, mut exchange) = orchestrator.store.exchange(id).await?.ok_or_else(absent)?;
    let form = wanted.format.unwrap_or_default();
    Secrets::asked(&orchestrator, &asker, wanted.reveal).await?.guard(&mut exchange);
    let said = messages(&orchestrator, form, id, &exchange).await?;
    let written = orchestrator.lay_out(move || {
        let mut out = form.begin();
        out.extend(form.written(&summary, exchange, &said, &[], true));
        out.extend(form.end(0));
        out
    });
    let written = written.await.ok_or_else(Problem::unavailable)?;
    let held = Held::of(&orchestrator, asker.name(), turn, written.into()).await?;
    Ok(file(form, &id.to_string(), held.body()))
}

enum Place {
    Begin,
    Middle,
    End,
}

/// A file that is being written.
struct Writing {
    orchestrator: Arc<Orchestrator>,
    ids: Ids,
    form: ExportForm,
    secrets: Secrets,
    written: u64,
    state: Place,
    _turn: Seat,
}

impl Writing {
    /// The next part of the file. An error ends the connection, so that nobody takes a part for the whole.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        let mut out = match self.state {
            Place::Begin => self.form.begin(),
            Place::Middle => Vec::new(),
            Place::End => return Ok(None),
        };
        self.state = Place::Middle;
        while out.len() < CHUNK {
            let Some(id) = self.ids.next(&self.orchestrator).await.inspect_err(broken)? else {
                out.extend(self.form.end(self.ids.unread()));
                self.state = Place::End;
                break;
            };
            // Retention may have taken it since it was listed.
            let found = self.orchestrator.store.exchange_as_it_is(id).await.inspect_err(broken)?;
            let Some((summary, exchange, damaged)) = found else { continue };
            let said = messages(&self.orchestrator, self.form, id, &exchange).await.inspect_err(broken)?;
            out.extend(self.one(summary, exchange, said, damaged).await?);
        }
        Ok(Some((out.into(), self)))
    }

    async fn one(
        &mut self,
        summary: Summary,
        mut exchange: Exchange,
        said: Vec<Message>,
        damaged: Vec<Damage>,
    ) -> Result<Vec<u8>, StoreError> {
        let (form, secrets, first) = (self.form, self.secrets, self.written == 0);
        self.written += 1;
        let is_small = said.is_empty() && exchange.encoded_len() < INLINE_BYTES;
        let work = move || {
            secrets.guard(&mut exchange);
            form.written(&summary, exchange, &said, &damaged, first)
        };
        if is_small {
            return Ok(work());
        }
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
    }
}

/// What was said in an exchange, where the form has a place for it.
async fn messages(
    orchestrator: &Orchestrator,
    form: ExportForm,
    id: Uuid,
    exchange: &Exchange,
) -> Result<Vec<Message>, StoreError> {
    let (mut said, mut bytes) = (Vec::new(), 0);
    let mut is_more = form.wants_messages(exchange);
    while is_more && bytes < MESSAGES_BYTES {
        let after = said.last().map_or(0, |last: &Message| last.number);
        let page = orchestrator.store.messages_of(id, after, MESSAGES).await?;
        is_more = page.more;
        bytes += page.items.iter().map(|told| told.message.encoded_len()).sum::<usize>();
        said.extend(page.items.into_iter().map(|told| told.message));
    }
    Ok(said)
}

fn broken(error: &StoreError) {
    tracing::error!(%error, "an export was cut off");
}
