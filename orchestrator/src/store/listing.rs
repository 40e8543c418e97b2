//! Tunnels, client connections and lines of filters, read: those that came last first.

use std::marker::PhantomData;

use futures_util::TryStreamExt as _;
use prost::Message;
use uuid::Uuid;
use weir_proto::v1;

use super::{Store, StoreError, signed, sql::Sql};

/// Of one answer, about.
const PAGE_BYTES: usize = 4 << 20;

/// A table whose rows have an id, a text to search for, and a message.
pub(crate) struct Table<M> {
    name: &'static str,
    text: &'static str,
    message: PhantomData<M>,
}

pub(crate) const TUNNELS: Table<v1::PassedTunnel> = Table::new("tunnels", "host");
pub(crate) const CONNECTIONS: Table<v1::ClientConnection> = Table::new("connections", "client");

impl<M> Table<M> {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, message: PhantomData }
    }
}
pub(crate) const LINES: Table<v1::FilterLine> = Table::new("filter_logs", "filter");

/// Which rows.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) agent: Option<Uuid>,
    pub(crate) text: Option<&'a str>,
    /// In the order in which they came: from below it.
    pub(crate) before: Option<u64>,
    /// From behind it, and then the oldest first.
    pub(crate) after: Option<u64>,
    pub(crate) limit: usize,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Listed<M> {
    pub(crate) arrival: u64,
    pub(crate) agent: Uuid,
    pub(crate) agent_name: String,
    pub(crate) id: Uuid,
    pub(crate) message: M,
}

/// Some of them, and the place to go on from when there are more.
#[derive(Debug)]
pub(crate) struct Page<M> {
    pub(crate) items: Vec<Listed<M>>,
    pub(crate) next: Option<u64>,
}

impl Store {
    pub(crate) async fn listed<M: Message + Default>(
        &self,
        table: &Table<M>,
        wanted: Wanted<'_>,
    ) -> Result<Page<M>, StoreError> {
        let mut query = Sql::new("SELECT t.number, a.id, a.name, t.id, t.detail FROM ");
        query.push(table.name).push(" t JOIN agents a ON a.number = t.agent WHERE t.number < ");
        query.push_bind(signed(wanted.before.unwrap_or(u64::MAX)));
        if let Some(agent) = wanted.agent {
            query.push(" AND t.agent = (SELECT number FROM agents WHERE id = ").push_bind(agent).push(")");
        }
        if let Some(text) = wanted.text {
            query.push(" AND t.").push(table.text).push(" = ").push_bind(text);
        }
        if let Some(after) = wanted.after {
            query.push(" AND t.number > ").push_bind(signed(after));
        }
        let order = if wanted.after.is_some() { "ASC" } else { "DESC" };
        query.push(" ORDER BY t.number ").push(order).push(" LIMIT ").push_bind(signed(wanted.limit as u64 + 1));
        let mut rows = query.fetch(&self.reads);
        let (mut items, mut bytes): (Vec<Listed<M>>, usize) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let detail: &[u8] = row.get(4)?;
            bytes += detail.len();
            if items.len() == wanted.limit || (bytes > PAGE_BYTES && !items.is_empty()) {
                let next = items.last().map(|last| last.arrival);
                return Ok(Page { items, next });
            }
            items.push(Listed {
                arrival: row.number(0)?,
                agent: row.get(1)?,
                agent_name: row.get(2)?,
                id: row.get(3)?,
                message: M::decode(detail).map_err(|_| StoreError::Damaged("a record of an agent"))?,
            });
        }
        Ok(Page { items, next: None })
    }
}
