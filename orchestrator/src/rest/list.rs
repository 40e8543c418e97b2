//! Some of a list, and where it goes on: what listings answer, and the pages of what agents recorded.

use axum::Json;
use prost::Message;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    input::{Paging, arrival, of_arrival},
    problem::Problem,
};
use crate::{
    orchestrator::Orchestrator,
    store::{Listed, Table, Wanted},
};

/// Some of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// For `cursor`, to go on; null at the end.
    pub(super) next: Option<String>,
}

/// Of what agents recorded the last that came first; of one agent, and with one text, where these are given.
pub(super) async fn newest<M: Message + Default, T>(
    orchestrator: &Orchestrator,
    table: &Table<M>,
    (agent, text): (Option<Uuid>, Option<&str>),
    paging: &Paging,
    item: impl Fn(Listed<M>) -> T,
) -> Result<Json<List<T>>, Problem> {
    let wanted = Wanted { agent, text, before: arrival(paging)?, limit: paging.limit()?, after: None };
    let page = orchestrator.store.listed(table, wanted).await?;
    Ok(Json(List { items: page.items.into_iter().map(item).collect(), next: page.next.map(of_arrival) }))
}
