//! An entry becomes an exchange.

use std::net::IpAddr;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use weir_proto::{
    MAX_MESSAGE_BYTES,
    v1::{Connection, Exchange, Field, Outcome as Ended, Request, Response, Tag, tag},
};

use super::{
    Source, body,
    custom::PassedOver,
    head::{field, head, version},
    model::{self, Entry, MessageExtra, Timings},
    place::Fault,
    target::{Other, split},
    time,
    weir::of_weir,
};
use crate::{IMPORT_TAG, fields};

/// Longer than any exchange lives.
const MOST_MS: f64 = 1000.0 * 86_400_000.0;
/// 9999-12-31T23:59:59Z
pub(super) const LAST_US: u64 = 253_402_300_799_000_000;
const ENTRY: &str = "import";

pub(super) enum Outcome {
    Exchange(Box<Exchange>),
    /// Not HTTP; the scheme of its address.
    Other(String),
}

/// What is beyond the format and cannot be read is added to `passed_over`.
pub(super) fn exchange(
    index: usize,
    mut entry: Entry,
    source: &Source,
    passed_over: &mut PassedOver,
) -> Result<Outcome, Fault> {
    let weir = entry.weir.take("/_weir", passed_over);
    let own = weir.is_some();
    let started_us = time::micros(&entry.started_date_time).filter(|us| *us <= LAST_US);
    let started_us = started_us
        .ok_or_else(|| Fault::new("/startedDateTime", "no time from 1970 to 9999, such as 2026-11-26T12:00:00.000Z"))?;
    let (duration_us, wait_us) = durations(entry.time, &entry.timings.unwrap_or_default());
    let request = match request(entry.request, "/request", passed_over)? {
        Ok(request) => request,
        Err(scheme) => return Ok(Outcome::Other(scheme)),
    };
    let mut error = entry.error.take("/_error", passed_over).unwrap_or_default();
    let response = match entry.response {
        Some(mut answer) => {
            let of_answer = answer.error.take("/response/_error", passed_over).unwrap_or_default();
            if error.is_empty() {
                error = of_answer;
            }
            response(answer, own, "/response", passed_over)?
        }
        None => None,
    };
    let mut exchange = Exchange {
        started_us,
        duration_us,
        first_byte_us: if response.is_some() { wait_us } else { 0 },
        outcome: ended(response.as_ref()).into(),
        connection: Some(Connection { entry: ENTRY.to_owned(), ..Connection::default() }),
        request: Some(request),
        response,
        error,
        upstream_address: upstream(&entry.server_ip_address),
        ..Exchange::default()
    };
    match weir {
        Some(extra) => of_weir(&mut exchange, extra, passed_over),
        None if !source.creator.is_empty() => exchange.tags.push(text_tag("creator", source.creator.clone())),
        None => {}
    }
    fit(&mut exchange)?;
    exchange.id = id(index, &exchange).into_bytes().to_vec().into();
    Ok(Outcome::Exchange(Box::new(exchange)))
}

fn ended(response: Option<&Response>) -> Ended {
    match response.map(|response| response.status) {
        None => Ended::UpstreamFailed,
        Some(101) => Ended::Upgraded,
        Some(_) => Ended::Complete,
    }
}

/// All of it and up to the response head, microseconds. What is below zero did not happen; `ssl` is a part of `connect`.
fn durations(time: Option<f64>, timings: &Timings) -> (u64, u64) {
    let micros = |parts: &[Option<f64>]| {
        let sum: f64 = parts.iter().flatten().filter(|ms| **ms > 0.0).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let micros = (sum.min(MOST_MS) * 1000.0).round() as u64;
        micros
    };
    let Timings { blocked, dns, connect, send, wait, receive } = *timings;
    let before = micros(&[blocked, dns, connect, send, wait]);
    let told = time.filter(|time| *time >= 0.0).map(|time| micros(&[Some(time)]));
    let all = told.unwrap_or_else(|| micros(&[blocked, dns, connect, send, wait, receive]));
    (all, before.min(all))
}

/// The other half is the scheme of an address that is not HTTP's.
pub(super) fn request(
    mut request: model::Request,
    pointer: &str,
    passed_over: &mut PassedOver,
) -> Result<Result<Request, String>, Fault> {
    if !fields::is_token(&request.method) {
        return Err(Fault::new(format!("{pointer}/method"), "no method"));
    }
    let mut weir = request.weir.take(&format!("{pointer}/_weir"), passed_over).unwrap_or_default();
    let target = match (weir.target.take(), split(&request.url)) {
        (Some(target), _) => (target.scheme, target.authority, target.path),
        (None, Ok(target)) => (target.scheme, target.authority, target.path),
        (None, Err(Other::Scheme(scheme))) => return Ok(Err(scheme)),
        (None, Err(Other::NoUrl)) => return Err(Fault::new(format!("{pointer}/url"), "no address")),
        (None, Err(Other::NoHost)) => return Err(Fault::new(format!("{pointer}/url"), "an address without a host")),
    };
    Ok(Ok(Request {
        method: request.method,
        scheme: target.0,
        authority: target.1,
        path: target.2,
        version: version(&request.http_version),
        headers: head(request.headers, &format!("{pointer}/headers"), passed_over)?,
        trailers: trailers(&mut weir, pointer, passed_over),
        body: body::marked(
            body::posted(request.post_data, request.body_size, pointer, passed_over)?,
            &weir,
            request.body_size,
            (pointer, &mut *passed_over),
        ),
    }))
}

/// None where there was none: browsers write the status 0 then.
pub(super) fn response(
    mut response: model::Response,
    own: bool,
    pointer: &str,
    passed_over: &mut PassedOver,
) -> Result<Option<Response>, Fault> {
    let status = response.status.unwrap_or(0.0);
    if status <= 0.0 {
        return Ok(None);
    }
    if !(100.0..1000.0).contains(&status) || status.fract() != 0.0 {
        return Err(Fault::new(format!("{pointer}/status"), "no status: 100 to 999, or 0 for no response"));
    }
    let mut headers = head(std::mem::take(&mut response.headers), &format!("{pointer}/headers"), passed_over)?;
    let mut weir = response.weir.take(&format!("{pointer}/_weir"), passed_over).unwrap_or_default();
    if let Some(content) = &response.content
        && fields::value(&headers, "content-type").is_none()
        && !own
        && !["", "x-unknown"].contains(&content.mime_type.as_str())
        && fields::is_value(content.mime_type.as_bytes())
    {
        headers.push(field("content-type", &content.mime_type));
    }
    let told = response.body_size;
    let wire = weir.wire.take().map(|wire| body::wire(wire, &format!("{pointer}/_weir/wire")));
    // without it, what the text is the bytes of is not known
    let own = own && !matches!(wire, Some(Err(_)));
    let body = match wire.and_then(|wire| passed_over.ok(wire)) {
        Some(data) => Some(body::of_wire(data, told)),
        None => body::content(&mut response, &mut headers, own, pointer)?,
    };
    let body = body::marked(body, &weir, told, (pointer, &mut *passed_over));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let status = status as u32;
    Ok(Some(Response {
        status,
        version: version(&response.http_version),
        headers,
        body,
        trailers: trailers(&mut weir, pointer, passed_over),
    }))
}

fn trailers(weir: &mut MessageExtra, pointer: &str, passed_over: &mut PassedOver) -> Vec<Field> {
    let told = head(std::mem::take(&mut weir.trailers), &format!("{pointer}/_weir/trailers"), passed_over);
    passed_over.ok(told).unwrap_or_default()
}

/// IPv6 addresses stand in brackets or not; the port is not told.
fn upstream(address: &str) -> String {
    let address = address.trim().trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => String::new(),
    }
}

fn text_tag(name: &str, text: String) -> Tag {
    Tag { name: format!("{IMPORT_TAG}{name}"), value: Some(tag::Value::Text(text)) }
}

/// As small as what agents send: the longest bodies lose their ends, and their sizes stay true.
fn fit(exchange: &mut Exchange) -> Result<(), Fault> {
    // The id comes on top, and lengths of what is cut may take a byte more than before.
    const SPARE: usize = 1 << 10;
    loop {
        let excess = (exchange.encoded_len() + SPARE).saturating_sub(MAX_MESSAGE_BYTES);
        if excess == 0 {
            return Ok(());
        }
        let requests = [&mut exchange.request, &mut exchange.filtered_request].into_iter().flatten();
        let responses = [&mut exchange.response, &mut exchange.original_response].into_iter().flatten();
        let bodies = requests.flat_map(|request| &mut request.body);
        let longest =
            bodies.chain(responses.flat_map(|response| &mut response.body)).max_by_key(|body| body.data.len());
        match longest {
            Some(longest) if !longest.data.is_empty() => {
                longest.data.truncate(longest.data.len().saturating_sub(excess));
            }
            _ => return Err(Fault::new("", "its head is larger than an exchange may be")),
        }
    }
}

/// Of the time when it began, as every id, and of what it is.
fn id(index: usize, exchange: &Exchange) -> Uuid {
    let mut hash = Sha256::new();
    hash.update((index as u64).to_be_bytes());
    hash.update(exchange.encode_to_vec());
    let digest = hash.finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    uuid::Builder::from_unix_timestamp_millis(exchange.started_us / 1000, &random).into_uuid()
}
