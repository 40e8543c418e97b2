//! Exchanges one by one: with all that was captured, or without the bodies that are kept beside.

use bytes::Bytes;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::Exchange;

use super::{
    super::{
        Store, StoreError,
        bodies::{Damage, Kept},
        sql::{Row, Sql, Transaction},
    },
    COLUMNS, Outline, Summary, summary, unpack,
};

impl Store {
    /// One exchange, without what only the whole message holds.
    pub(crate) async fn summary(&self, id: Uuid) -> Result<Option<Summary>, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push(" FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ").push_bind(id);
        query.fetch_optional(&self.reads).await?.as_ref().map(summary).transpose()
    }

    /// These exchanges, whole, one after the other, each with its size in memory, or what is wrong with it; ends with the first error
    /// of `take`.
    pub(crate) async fn exchanges_whole<E: From<StoreError>>(
        &self,
        ids: &[Uuid],
        mut take: impl FnMut(Uuid, Result<(Exchange, usize), StoreError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut query = Sql::new("SELECT e.id, e.coding, e.detail FROM exchanges e WHERE e.id IN (");
        for (place, id) in ids.iter().enumerate() {
            query.push(if place == 0 { "" } else { ", " }).push_bind(*id);
        }
        query.push(")");
        // All of them before the first body is asked for: whoever waits for a reader holds none.
        for row in query.fetch_all(&self.reads).await? {
            let id = row.get(0)?;
            let (mut exchange, kept) = unpack(row.get(1)?, row.get(2)?)?;
            let filled = match self.shelves.fill_whole(&mut exchange, &kept).await {
                Ok(()) => Ok(exchange),
                Err(error @ StoreError::Body { .. }) => Err(error.of(id)),
                Err(error) => return Err(error.into()),
            };
            let sized = |exchange: Exchange| {
                let bytes = exchange.encoded_len();
                (exchange, bytes)
            };
            take(id, filled.map(sized))?;
        }
        Ok(())
    }

    /// Whether it is recorded.
    pub(crate) async fn has_exchange(&self, id: Uuid) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT 1 FROM exchanges WHERE id = $1").bind(id);
        Ok(sql.fetch_optional(&self.reads).await?.is_some())
    }

    /// One exchange, without the bodies that are kept beside it.
    pub(crate) async fn outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError> {
        outline(id, "").fetch_optional(&self.reads).await?.as_ref().map(outlined).transpose()
    }

    /// The same, which nobody else changes until the end of the transaction.
    pub(in super::super) async fn outline_to_change(
        &self,
        id: Uuid,
        transaction: &mut Transaction,
    ) -> Result<Option<Outline>, StoreError> {
        let sql = outline(id, self.dialect().to_change_exchanges());
        sql.fetch_optional(transaction).await?.as_ref().map(outlined).transpose()
    }

    /// One exchange, whole.
    pub(crate) async fn exchange(&self, id: Uuid) -> Result<Option<(Summary, Exchange)>, StoreError> {
        let Some(Outline { summary, mut exchange, kept }) = self.outline(id).await? else { return Ok(None) };
        match self.shelves.fill_whole(&mut exchange, &kept).await {
            Ok(()) => Ok(Some((summary, exchange))),
            Err(error) => self.or_gone(id, error).await,
        }
    }

    /// One exchange with the bodies that can be read, and what is wrong with the others.
    pub(crate) async fn exchange_as_it_is(
        &self,
        id: Uuid,
    ) -> Result<Option<(Summary, Exchange, Vec<Damage>)>, StoreError> {
        let Some(Outline { summary, mut exchange, kept }) = self.outline(id).await? else { return Ok(None) };
        let damaged = self.shelves.fill(&mut exchange, &kept, |_| true).await?;
        // Of an exchange that was deleted in between, bodies are not missing.
        if !damaged.is_empty() && !self.has_exchange(id).await? {
            return Ok(None);
        }
        Ok(Some((summary, exchange, damaged)))
    }

    /// The captured bytes of one of its bodies; none when the exchange has gone.
    pub(crate) async fn body(&self, id: Uuid, kept: &Kept) -> Result<Option<Bytes>, StoreError> {
        match self.shelves.load(kept.digest()?).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => self.or_gone(id, error).await,
        }
    }

    /// Of an exchange that was deleted in between, bodies are not missing.
    async fn or_gone<T>(&self, id: Uuid, error: StoreError) -> Result<Option<T>, StoreError> {
        if self.has_exchange(id).await? { Err(error.of(id)) } else { Ok(None) }
    }
}

fn outline(id: Uuid, end: &str) -> Sql {
    let mut query = Sql::new(COLUMNS);
    query.push(", e.coding, e.detail FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ");
    query.push_bind(id).push(end);
    query
}

fn outlined(row: &Row) -> Result<Outline, StoreError> {
    let (exchange, kept) = unpack(row.get(21)?, row.get(22)?)?;
    Ok(Outline { summary: summary(row)?, exchange, kept })
}
