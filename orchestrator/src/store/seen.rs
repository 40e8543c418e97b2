//! What agents see beside exchanges, on its way in: messages and the like become rows of their tables, in the transaction of
//! the exchanges they came with. Each row is its agent's; what is delivered twice is stored once.

use prost::Message as _;
use uuid::{Uuid, Variant};
use weir_proto::v1;

use super::{
    StoreError,
    record::{LAST_US, Row, SHORT, column},
    signed,
    sql::{Sql, Transaction, Value},
};

/// What a row takes of the disk beside its message, about.
const ROW: u64 = 160;
/// Of one statement.
const TOGETHER: usize = 100;
/// Of the captured bytes of a message: as much as agents can be told to capture.
const MOST_DATA: usize = 1 << 20;

/// All that came in a batch.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) exchanges: Vec<Row>,
    pub(crate) seen: Vec<Seen>,
}

impl From<Vec<Row>> for Recorded {
    fn from(exchanges: Vec<Row>) -> Self {
        Self { exchanges, seen: Vec::new() }
    }
}

impl Recorded {
    pub(super) fn rows(&self) -> usize {
        self.exchanges.len() + self.seen.len()
    }

    /// What it holds of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let seen: usize = self.seen.iter().map(|seen| 256 + seen.detail.len()).sum();
        seen + self.exchanges.iter().map(Row::bytes).sum::<usize>()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Messages,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Seen {
    table: Table,
    received_us: i64,
    agent: i64,
    id: Uuid,
    /// the column behind the id
    second: Value,
    detail: Vec<u8>,
}

/// The agent sent what cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("its id is not a UUIDv7 of 16 bytes")]
    Id,
    #[error("its number is 0, or beyond what can be counted")]
    Number,
    #[error("its time is beyond the year 9999")]
    Time,
}

/// The row of a message that this agent recorded and that came now.
pub(crate) fn prepare_message(agent: i64, now_us: u64, mut message: v1::Message) -> Result<Seen, Unfit> {
    let id = id(&message.exchange)?;
    let place = i64::try_from(message.number).ok().filter(|number| *number > 0).ok_or(Unfit::Number)?;
    if message.at_us > LAST_US {
        return Err(Unfit::Time);
    }
    message.data.truncate(MOST_DATA);
    message.sent_data.truncate(MOST_DATA);
    message.note = column(&message.note, SHORT).into_owned();
    // they stand in columns
    message.exchange.clear();
    message.number = 0;
    let detail = message.encode_to_vec();
    Ok(Seen { table: Table::Messages, received_us: signed(now_us), agent, id, second: place.into(), detail })
}

fn id(bytes: &[u8]) -> Result<Uuid, Unfit> {
    let id = Uuid::from_slice(bytes).map_err(|_| Unfit::Id)?;
    let is_fit = id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122;
    if is_fit { Ok(id) } else { Err(Unfit::Id) }
}

/// Inserts them, where they are not there yet.
pub(super) async fn insert<'a>(
    transaction: &mut Transaction,
    seen: impl Iterator<Item = &'a Seen>,
) -> Result<(), StoreError> {
    let mut all: Vec<&Seen> = seen.collect();
    while let Some(first) = all.first() {
        let table = first.table;
        let (of_table, others): (Vec<&Seen>, Vec<&Seen>) = all.into_iter().partition(|seen| seen.table == table);
        all = others;
        for some in of_table.chunks(TOGETHER) {
            statement(table, some).execute(&mut *transaction).await?;
        }
    }
    Ok(())
}

fn statement(table: Table, rows: &[&Seen]) -> Sql {
    let (name, id, second) = match table {
        Table::Messages => ("messages", "exchange", "place"),
    };
    let mut insert =
        Sql::new(format!("INSERT INTO {name} (received_us, bytes, agent, {id}, {second}, detail) VALUES "));
    for (place, row) in rows.iter().enumerate() {
        insert.push(if place == 0 { "(" } else { ", (" }).push_bind(row.received_us).push(", ");
        insert.push_bind(signed(ROW + row.detail.len() as u64)).push(", ").push_bind(row.agent).push(", ");
        insert.push_bind(row.id).push(", ").push_bind(row.second.clone()).push(", ");
        insert.push_bind(&row.detail[..]).push(")");
    }
    insert.push(" ON CONFLICT DO NOTHING");
    insert
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> v1::Message {
        v1::Message { exchange: Uuid::now_v7().into_bytes().to_vec().into(), number: 1, ..v1::Message::default() }
    }

    #[test]
    fn what_is_no_message_is_refused_and_what_is_too_long_is_cut() {
        let check = |message| prepare_message(1, 0, message).map(|seen| seen.detail.len());
        assert_eq!(check(v1::Message { exchange: vec![7; 16].into(), ..message() }), Err(Unfit::Id));
        assert_eq!(check(v1::Message { number: 0, ..message() }), Err(Unfit::Number));
        assert_eq!(check(v1::Message { number: u64::MAX, ..message() }), Err(Unfit::Number));
        assert_eq!(check(v1::Message { at_us: u64::MAX, ..message() }), Err(Unfit::Time));
        let long = vec![0; 3 << 20];
        let data =
            v1::Message { data: long.clone().into(), sent_data: long.into(), note: "x".repeat(9999), ..message() };
        assert!(check(data).unwrap() < (2 << 20) + (2 << 10));
    }
}
