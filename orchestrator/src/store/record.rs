//! A recorded exchange as an agent sent it becomes a row, or is refused: columns for what is listed and searched, and
//! the whole message, packed where that pays, without its large bodies. Pure.

use std::{borrow::Cow, time::Instant};

use prost::Message as _;
use uuid::{Uuid, Variant};
use weir_proto::v1::{Exchange, Field, Receipt, Request};

use super::bodies::{self, Kept, Piece};

/// 9999-12-31T23:59:59Z in microseconds: what RFC 3339 can say.
pub(super) const LAST_US: u64 = 253_402_300_799_000_000;
/// Of a column, bytes. The whole is in the detail.
pub(super) const LONG: usize = 8 << 10;
pub(super) const SHORT: usize = 1 << 10;
/// Below this packing saves less than it costs.
const PACK_FROM: usize = 512;
/// Of the database, bytes.
pub(super) const PAGE: usize = 8192;

pub(super) const PLAIN: i64 = 0;
pub(super) const ZSTD: i64 = 1;

/// One exchange, ready to be inserted.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(super) received_us: i64,
    pub(super) id: [u8; 16],
    pub(super) agent: i64,
    pub(super) started_us: i64,
    pub(super) duration_us: i64,
    pub(super) first_byte_us: i64,
    pub(super) method: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) version: String,
    pub(super) status: Option<i64>,
    pub(super) request_bytes: i64,
    pub(super) response_bytes: i64,
    pub(super) content_type: String,
    pub(super) outcome: i64,
    pub(super) error: String,
    pub(super) client: String,
    pub(super) entry: String,
    pub(super) user: String,
    pub(super) filters: String,
    pub(super) replay_of: Option<Uuid>,
    pub(super) coding: i64,
    pub(super) detail: Vec<u8>,
    /// Bodies that are kept beside.
    pub(super) pieces: Vec<Piece>,
    /// When some of these went to the body store.
    pub(super) put: Option<Instant>,
}

impl Row {
    /// What it holds of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.own_bytes() + self.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    fn own_bytes(&self) -> usize {
        512 + self.path.len() + self.detail.len()
    }

    /// What it takes of the disk, about, its index entries included and bodies beside it not: what does not share a page has
    /// pages of its own.
    pub(super) fn stored_bytes(&self) -> usize {
        let bytes = self.own_bytes();
        if bytes > PAGE / 2 { bytes.next_multiple_of(PAGE) } else { bytes }
    }
}

/// The agent sent what is no exchange.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("its id is not a UUIDv7 of 16 bytes")]
    Id,
    #[error("its time is beyond the year 9999")]
    Time,
    #[error("it has no request")]
    NoRequest,
    #[error("its status {0} is not 100 to 999")]
    Status(u32),
}

/// Can it become a row?
pub(crate) fn accept(exchange: &Exchange) -> Result<(Uuid, &Request), Refused> {
    let id = Uuid::from_slice(&exchange.id).map_err(|_| Refused::Id)?;
    if id.get_version_num() != 7 || id.get_variant() != Variant::RFC4122 {
        return Err(Refused::Id);
    }
    if exchange.started_us > LAST_US || exchange.duration_us > LAST_US || exchange.first_byte_us > LAST_US {
        return Err(Refused::Time);
    }
    let request = exchange.request.as_ref().ok_or(Refused::NoRequest)?;
    let response = exchange.response.as_ref();
    if let Some(status) = response.map(|response| response.status).filter(|status| !(100..=999).contains(status)) {
        return Err(Refused::Status(status));
    }
    Ok((id, request))
}

/// The row of an exchange that this agent recorded and that came now.
pub(crate) fn prepare(
    agent: i64,
    now_us: u64,
    exchange: &Exchange,
    packer: Option<&mut zstd::bulk::Compressor<'_>>,
) -> Result<Row, Refused> {
    let (id, request) = accept(exchange)?;
    let response = exchange.response.as_ref();
    let size = |body: Option<&weir_proto::v1::Body>| super::signed(body.map_or(0, |body| body.size));
    let connection = exchange.connection.clone().unwrap_or_default();
    let (coding, detail, pieces) = pack(exchange, packer);
    Ok(Row {
        received_us: super::signed(now_us),
        id: id.into_bytes(),
        agent,
        started_us: super::signed(exchange.started_us),
        duration_us: super::signed(exchange.duration_us),
        first_byte_us: super::signed(exchange.first_byte_us),
        method: cut(&request.method, SHORT),
        scheme: cut(&request.scheme, SHORT),
        authority: cut(&request.authority, SHORT),
        host: cut(&host(request), SHORT),
        path: cut(&request.path, LONG),
        version: cut(&request.version, SHORT),
        status: response.map(|response| i64::from(response.status)),
        request_bytes: size(request.body.as_ref()),
        response_bytes: size(response.and_then(|response| response.body.as_ref())),
        content_type: response.map(|response| content_type(&response.headers)).unwrap_or_default(),
        outcome: i64::from(exchange.outcome),
        error: cut(&exchange.error, SHORT),
        client: cut(&connection.client_address, SHORT),
        entry: cut(&connection.entry, SHORT),
        user: cut(&connection.user, SHORT),
        filters: filters(exchange),
        replay_of: replay_of(exchange),
        coding,
        detail,
        pieces,
        put: None,
    })
}

/// The message without its large bodies, packed when it is text enough: encoded bodies and pictures are known not to shrink
/// and are not tried.
fn pack(exchange: &Exchange, mut packer: Option<&mut zstd::bulk::Compressor<'_>>) -> (i64, Vec<u8>, Vec<Piece>) {
    let (plain, pieces) = if bodies::is_large(exchange) {
        bodies::split(exchange, packer.as_deref_mut())
    } else {
        (exchange.encode_to_vec(), Vec::new())
    };
    let dense = exchange.response.as_ref().is_some_and(|response| {
        let captured = response.body.as_ref().map_or(0, |body| body.data.len());
        captured < bodies::BESIDE && captured * 2 > plain.len() && is_dense(&response.headers)
    });
    if plain.len() < PACK_FROM || dense {
        return (PLAIN, plain, pieces);
    }
    match packer.and_then(|packer| packer.compress(&plain).ok()) {
        Some(packed) if packed.len() < plain.len() - plain.len() / 8 => (ZSTD, packed, pieces),
        _ => (PLAIN, plain, pieces),
    }
}

/// The same of one that was stored before and was changed since: its large bodies stay where they are.
pub(super) fn repack(exchange: &Exchange, kept: Vec<Kept>) -> (i64, Vec<u8>) {
    let plain = bodies::message(exchange, kept);
    match zstd::bulk::compress(&plain, 1) {
        Ok(packed) if plain.len() >= PACK_FROM && packed.len() < plain.len() - plain.len() / 8 => (ZSTD, packed),
        _ => (PLAIN, plain),
    }
}

pub(super) fn is_dense(headers: &[Field]) -> bool {
    let kind = content_type(headers);
    let encoded = field(headers, "content-encoding").is_some_and(|value| !value.eq_ignore_ascii_case(b"identity"));
    let dense = ["image/", "video/", "audio/", "font/", "application/zip", "application/gzip", "application/wasm"];
    encoded || (dense.iter().any(|prefix| kind.starts_with(prefix)) && !kind.starts_with("image/svg"))
}

fn field<'a>(headers: &'a [Field], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| &field.value[..])
}

/// Of the media type, what the column holds.
pub(super) fn content_type(headers: &[Field]) -> String {
    let value = field(headers, "content-type").unwrap_or_default();
    cut(&String::from_utf8_lossy(&value[..value.len().min(SHORT)]), SHORT)
}

/// The authority's host alone, in lower case and without a closing dot: `[2001:db8::7]:443` gives `2001:db8::7`.
pub(super) fn host(request: &Request) -> String {
    let authority = request.authority.rsplit_once('@').map_or(&*request.authority, |(_, rest)| rest);
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    weir_query::bare_host(host).to_ascii_lowercase()
}

/// Of the receipts those that a column has room for; a name that is none was made up.
pub(super) fn receipts(exchange: &Exchange) -> impl Iterator<Item = &Receipt> {
    exchange.filters.iter().take(64).filter(|receipt| receipt.name.parse::<weir_artifact::Name>().is_ok())
}

/// Of one that an orchestrator had an agent send, which it repeats: a nil where it repeats none.
pub(super) fn replay_of(exchange: &Exchange) -> Option<Uuid> {
    Uuid::from_slice(&exchange.replay_of).ok()
}

/// Names of the filters it met, each followed by a space.
fn filters(exchange: &Exchange) -> String {
    let mut names = String::new();
    for receipt in receipts(exchange) {
        if !names.split(' ').any(|name| name == receipt.name) {
            names.push_str(&receipt.name);
            names.push(' ');
        }
    }
    names
}

/// Of a text, what a column holds: so many bytes, and no NUL, at which databases would end it.
pub(super) fn column(text: &str, most: usize) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(most)];
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn cut(text: &str, most: usize) -> String {
    column(text, most).into_owned()
}

#[cfg(test)]
mod tests {
    use weir_proto::v1::{Body, Response};

    use super::*;

    fn exchange() -> Exchange {
        let request = Request { method: "GET".into(), authority: "A.Example:80".into(), ..Request::default() };
        Exchange { id: Uuid::now_v7().into_bytes().to_vec().into(), request: Some(request), ..Exchange::default() }
    }

    fn check(exchange: &Exchange) -> Result<Row, Refused> {
        prepare(1, 0, exchange, None)
    }

    #[test]
    fn what_is_no_exchange_is_refused() {
        for id in [vec![], vec![0; 15], vec![0; 16], Uuid::new_v4().into_bytes().to_vec()] {
            assert_eq!(check(&Exchange { id: id.into(), ..exchange() }).unwrap_err(), Refused::Id);
        }
        assert_eq!(check(&Exchange { started_us: u64::MAX, ..exchange() }).unwrap_err(), Refused::Time);
        assert_eq!(check(&Exchange { request: None, ..exchange() }).unwrap_err(), Refused::NoRequest);
        let response = Some(Response { status: 70_000, ..Response::default() });
        assert_eq!(check(&Exchange { response, ..exchange() }).unwrap_err(), Refused::Status(70_000));
    }

    #[test]
    fn the_host_stands_alone() {
        for (authority, expect) in [
            ("A.Example:80", "a.example"),
            ("a.example.", "a.example"),
            ("[2001:DB8::7]:443", "2001:db8::7"),
            ("user@a:1", "a"),
            ("", ""),
            ("[", "["),
        ] {
            assert_eq!(host(&Request { authority: authority.into(), ..Request::default() }), expect);
        }
    }

    #[test]
    fn text_is_packed_and_noise_is_not() {
        let mut packer = zstd::bulk::Compressor::new(1).unwrap();
        let mut with = |data: Vec<u8>| {
            let body = Some(Body { size: data.len() as u64, data: data.into(), ..Body::default() });
            let response = Some(Response { status: 200, body, ..Response::default() });
            prepare(1, 0, &Exchange { response, ..exchange() }, Some(&mut packer)).unwrap()
        };
        assert_eq!(with(b"text ".repeat(400)).coding, ZSTD);
        assert_eq!(with((0..2048).map(|_| rand::random()).collect()).coding, PLAIN);
    }

    #[test]
    fn columns_are_bounded_at_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("a\0b", 2), "a\u{fffd}");
        let request = Request { path: "é".repeat(LONG), ..Request::default() };
        assert!(check(&Exchange { request: Some(request), ..exchange() }).unwrap().path.len() <= LONG);
    }
}
