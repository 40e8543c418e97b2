//! Messages of exchanges, read. One is of an exchange only if the same agent recorded both; of an exchange that goes on, and is
//! not here yet, its messages are.

use futures_util::TryStreamExt as _;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1;

use super::{
    Deed, Store, StoreError, signed,
    sql::{Lock, Row, Sql},
};

/// Of one answer, about: messages may be a thousand times longer than most are.
const PAGE_BYTES: usize = 4 << 20;
/// Deleted at a time.
const STEP: i64 = 2000;

const COLUMNS: &str =
    "SELECT m.number, m.exchange, a.id, m.place, m.detail FROM messages m JOIN agents a ON a.number = m.agent WHERE ";

/// One message, and where it stands.
#[derive(Debug)]
pub(crate) struct Told {
    /// In the order in which they came here.
    pub(crate) arrival: u64,
    pub(crate) agent: Uuid,
    pub(crate) exchange: Uuid,
    /// `exchange` and `number` are filled in.
    pub(crate) message: v1::Message,
}

/// Some of them, and whether there are more.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) items: Vec<Told>,
    pub(crate) more: bool,
}

impl Store {
    /// Those of an exchange behind the number `after`, in order.
    pub(crate) async fn messages_of(&self, exchange: Uuid, after: u64, limit: usize) -> Result<Messages, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push("m.exchange = ").push_bind(exchange);
        query.push(" AND m.agent = coalesce((SELECT e.agent FROM exchanges e WHERE e.id = ").push_bind(exchange);
        query.push("), (SELECT min(f.agent) FROM messages f WHERE f.exchange = ").push_bind(exchange).push("))");
        query.push(" AND m.place > ").push_bind(signed(after)).push(" ORDER BY m.place");
        self.some(query, limit).await
    }

    /// Those of all exchanges, the last that came first, from below the arrival `before`.
    pub(crate) async fn messages(&self, before: Option<u64>, limit: usize) -> Result<Messages, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push("m.number < ").push_bind(signed(before.unwrap_or(u64::MAX)));
        query.push(" AND NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.id = m.exchange AND e.agent <> m.agent)");
        query.push(" ORDER BY m.number DESC");
        self.some(query, limit).await
    }

    async fn some(&self, mut query: Sql, limit: usize) -> Result<Messages, StoreError> {
        query.push(" LIMIT ").push_bind(signed(limit as u64 + 1));
        let mut rows = query.fetch(&self.reads);
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let detail: &[u8] = row.get(4)?;
            bytes += detail.len();
            if items.len() == limit || (bytes > PAGE_BYTES && !items.is_empty()) {
                return Ok(Messages { items, more: true });
            }
            items.push(told(&row, detail)?);
        }
        Ok(Messages { items, more: false })
    }

    /// Deletes those of these exchanges, as what `deed` begins with; by `rules`, as long as they are in force.
    pub(super) async fn delete_messages(
        &self,
        exchanges: &[Uuid],
        deed: &Deed,
        rules: Option<i64>,
    ) -> Result<(), StoreError> {
        let Some((first, rest)) = exchanges.split_first() else { return Ok(()) };
        loop {
            let mut query = Sql::new("DELETE FROM messages WHERE number IN (SELECT m.number FROM exchanges e ");
            query.push("JOIN messages m ON m.exchange = e.id AND m.agent = e.agent WHERE e.id IN (").push_bind(*first);
            for id in rest {
                query.push(", ").push_bind(*id);
            }
            query.push(") LIMIT ").push_bind(STEP).push(")");
            let mut transaction = self.begin().await?;
            // As with exchanges: retention deletes too, in another order.
            transaction.alone(Lock::Retention).await?;
            if !transaction.has_rules(rules).await? {
                return Ok(());
            }
            let gone = query.execute(&mut transaction).await?;
            if gone > 0 {
                deed.commit(transaction).await?;
            }
            if gone < STEP.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

fn told(row: &Row, detail: &[u8]) -> Result<Told, StoreError> {
    let mut message = v1::Message::decode(detail).map_err(|_| StoreError::Damaged("a message"))?;
    let exchange: Uuid = row.get(1)?;
    message.exchange = exchange.into_bytes().to_vec().into();
    message.number = row.number(3)?;
    Ok(Told { arrival: row.number(0)?, agent: row.get(2)?, exchange, message })
}
