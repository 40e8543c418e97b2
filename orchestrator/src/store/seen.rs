//! What agents see beside exchanges, on its way in: messages and the like become rows of their tables, in the transaction of
//! the exchanges they came with. Each row is its agent's; what is delivered twice is stored once.

use prost::Message as _;
use uuid::{Uuid, Variant};
use weir_proto::v1;

use super::{
    StoreError,
    record::{LAST_US, LONG, Row, SHORT, column},
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
        let seen: usize = self.seen.iter().map(Seen::bytes).sum();
        seen + self.exchanges.iter().map(Row::bytes).sum::<usize>()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Messages,
    Tunnels,
    Connections,
    Lines,
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

impl Seen {
    /// What it holds of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        256 + self.detail.len()
    }
}

/// The agent sent what cannot be kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("its id is not a UUIDv7 of 16 bytes")]
    Id,
    #[error("its number is 0, or beyond what can be counted")]
    Number,
    #[error("it names no filter")]
    Name,
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
    cut(&mut message.note);
    // they stand in columns
    message.exchange.clear();
    message.number = 0;
    let detail = message.encode_to_vec();
    Ok(Seen { table: Table::Messages, received_us: signed(now_us), agent, id, second: place.into(), detail })
}

/// The row of a tunnel.
pub(crate) fn prepare_tunnel(agent: i64, now_us: u64, mut tunnel: v1::PassedTunnel) -> Result<Seen, Unfit> {
    let id = id(&tunnel.id)?;
    in_time(&[tunnel.started_us, tunnel.duration_us])?;
    let host = tunnel.target.rsplit_once(':').map_or(&*tunnel.target, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let second = column(&host, SHORT).into_owned().into();
    tunnel.id.clear();
    tunnel.connection.truncate(16);
    for text in [
        &mut tunnel.client_address,
        &mut tunnel.entry,
        &mut tunnel.user,
        &mut tunnel.target,
        &mut tunnel.server_name,
        &mut tunnel.upstream_address,
        &mut tunnel.uninspected,
        &mut tunnel.outcome,
        &mut tunnel.error,
    ] {
        cut(text);
    }
    let detail = tunnel.encode_to_vec();
    Ok(Seen { table: Table::Tunnels, received_us: signed(now_us), agent, id, second, detail })
}

/// The row of a client's connection.
pub(crate) fn prepare_connection(agent: i64, now_us: u64, mut connection: v1::ClientConnection) -> Result<Seen, Unfit> {
    let id = id(&connection.id)?;
    in_time(&[connection.started_us, connection.duration_us])?;
    // by its address alone: ports say nothing of who it is
    let client = connection.client_address.parse::<std::net::SocketAddr>();
    let client = client.map_or_else(|_| connection.client_address.clone(), |client| client.ip().to_string());
    let second = column(&client, SHORT).into_owned().into();
    connection.id.clear();
    for text in [
        &mut connection.client_address,
        &mut connection.entry,
        &mut connection.user,
        &mut connection.tunnel_target,
        &mut connection.server_name,
        &mut connection.tls_version,
        &mut connection.cipher_suite,
        &mut connection.alpn,
    ] {
        cut(text);
    }
    let detail = connection.encode_to_vec();
    Ok(Seen { table: Table::Connections, received_us: signed(now_us), agent, id, second, detail })
}

/// The row of a line that a filter wrote.
pub(crate) fn prepare_line(agent: i64, now_us: u64, mut line: v1::FilterLine) -> Result<Seen, Unfit> {
    let id = id(&line.id)?;
    in_time(&[line.at_us])?;
    let name: weir_artifact::Name = line.filter.parse().map_err(|_| Unfit::Name)?;
    line.id.clear();
    line.filter.clear();
    line.exchange.truncate(16);
    cut(&mut line.level);
    line.text = column(&line.text, LONG).into_owned();
    let (second, detail) = (name.as_str().into(), line.encode_to_vec());
    Ok(Seen { table: Table::Lines, received_us: signed(now_us), agent, id, second, detail })
}

fn in_time(micros: &[u64]) -> Result<(), Unfit> {
    if micros.iter().any(|micros| *micros > LAST_US) { Err(Unfit::Time) } else { Ok(()) }
}

fn cut(text: &mut String) {
    if text.len() > SHORT || text.contains('\0') {
        *text = column(text, SHORT).into_owned();
    }
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
        Table::Tunnels => ("tunnels", "id", "host"),
        Table::Connections => ("connections", "id", "client"),
        Table::Lines => ("filter_logs", "id", "filter"),
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
    fn what_is_no_tunnel_is_refused_and_texts_are_cut() {
        let id = || Uuid::now_v7().into_bytes().to_vec().into();
        let tunnel = v1::PassedTunnel { id: id(), target: "[2001:DB8::7]:443".into(), ..<_>::default() };
        assert_eq!(prepare_tunnel(1, 0, v1::PassedTunnel::default()).unwrap_err(), Unfit::Id);
        let late = v1::PassedTunnel { duration_us: u64::MAX, ..tunnel.clone() };
        assert_eq!(prepare_tunnel(1, 0, late).unwrap_err(), Unfit::Time);
        let long = "é".repeat(1 << 20);
        let row = prepare_tunnel(1, 0, v1::PassedTunnel { error: long.clone(), ..tunnel }).unwrap();
        assert!(row.detail.len() < 2 * SHORT && matches!(row.second, Value::Text(Some(host)) if host == "2001:db8::7"));
        let connection =
            v1::ClientConnection { id: id(), client_address: "192.0.2.7:1".into(), alpn: long, ..<_>::default() };
        let row = prepare_connection(1, 0, connection).unwrap();
        assert!(
            row.detail.len() < 2 * SHORT && matches!(row.second, Value::Text(Some(client)) if client == "192.0.2.7")
        );
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
