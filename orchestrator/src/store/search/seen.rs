//! A stored exchange as queries see it, as [`Subject`]: of each text as much as its column holds, so that what the
//! database says of columns and what is said here of the whole message are the same.

use std::{borrow::Cow, cell::OnceCell};

use uuid::Uuid;
use weir_proto::v1::{Body, Exchange, Field, Request, tag::Value};
use weir_query::{Is, Number, Side, Subject, Text};

use super::{
    super::{
        bodies::{Kept, Slot},
        exchanges::outcome,
        record::{self, LONG, SHORT, column},
    },
    body,
};

/// A whole exchange and who recorded it.
pub(in super::super) struct Seen<'a> {
    /// Id and name.
    agent: (&'a str, &'a str),
    exchange: &'a Exchange,
    /// Bodies that are kept beside.
    kept: &'a [Kept],
    /// The bodies once they are decoded: several terms may ask.
    decoded: [OnceCell<Cow<'a, [u8]>>; 2],
}

/// A body and the head before it.
type Content<'a> = (&'a Body, &'a [Field]);

impl<'a> Seen<'a> {
    /// `agent`: id and name.
    pub(in super::super) fn new(agent: (&'a str, &'a str), exchange: &'a Exchange, kept: &'a [Kept]) -> Self {
        Self { agent, exchange, kept, decoded: Default::default() }
    }

    /// Is it one of the bodies that queries ask for?
    pub(in super::super) fn looks_at(kept: &Kept) -> bool {
        kept.is(Slot::Request) || kept.is(Slot::Response)
    }

    fn captured(&self, slot: Slot, body: &Body) -> u64 {
        let kept = self.kept.iter().find(|kept| kept.is(slot));
        kept.map_or(body.data.len() as u64, Kept::captured)
    }

    fn headers(&self, side: Side) -> impl Iterator<Item = &Field> {
        let request =
            self.exchange.request.iter().filter(move |_| side.has_request()).flat_map(|request| &request.headers);
        let response = self.exchange.response.iter().filter(move |_| side.has_response());
        request.chain(response.flat_map(|response| &response.headers))
    }

    fn bodies(&self) -> [(Side, Option<Content<'a>>); 2] {
        let request = self.exchange.request.as_ref();
        let response = self.exchange.response.as_ref();
        [
            (Side::Request, request.and_then(|it| Some((it.body.as_ref()?, &it.headers[..])))),
            (Side::Response, response.and_then(|it| Some((it.body.as_ref()?, &it.headers[..])))),
        ]
    }

    fn url(request: &Request) -> String {
        let scheme = column(&request.scheme, SHORT);
        let colon = if scheme.is_empty() { "" } else { "://" };
        format!("{scheme}{colon}{}{}", column(&request.authority, SHORT), column(&request.path, LONG))
    }
}

impl Subject for Seen<'_> {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        let Some(request) = &self.exchange.request else { return false };
        let connection = self.exchange.connection.as_ref();
        let text = match field {
            Text::Path => return fits(&column(&request.path, LONG)),
            Text::Url => return fits(&Self::url(request)),
            Text::Method => return fits(&column(&request.method, SHORT)),
            Text::Scheme => return fits(&column(&request.scheme, SHORT)),
            Text::Outcome => return outcome(self.exchange.outcome).is_some_and(fits),
            Text::Id => {
                let id = Uuid::from_slice(&self.exchange.id).unwrap_or_default();
                return fits(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            }
            Text::Agent => return fits(self.agent.0) || fits(self.agent.1),
            Text::Host => column(&record::host(request), SHORT).into_owned(),
            Text::Type => {
                let response = self.exchange.response.as_ref();
                response.map(|response| record::content_type(&response.headers)).unwrap_or_default()
            }
            Text::User => connection.map(|it| column(&it.user, SHORT).into_owned()).unwrap_or_default(),
            Text::Client => connection.map(|it| column(&it.client_address, SHORT).into_owned()).unwrap_or_default(),
            Text::Entry => connection.map(|it| column(&it.entry, SHORT).into_owned()).unwrap_or_default(),
            Text::Error => column(&self.exchange.error, SHORT).into_owned(),
        };
        !text.is_empty() && fits(&text)
    }

    fn number(&self, field: Number) -> Option<u64> {
        let response = self.exchange.response.as_ref();
        match field {
            Number::Status => response.map(|response| u64::from(response.status)),
            Number::Size => response.map(|response| response.body.as_ref().map_or(0, |body| body.size)),
            Number::RequestSize => {
                let body = self.exchange.request.as_ref()?.body.as_ref();
                Some(body.map_or(0, |body| body.size))
            }
            Number::Duration => Some(self.exchange.duration_us),
            Number::FirstByte => Some(self.exchange.first_byte_us).filter(|us| *us > 0),
        }
        // A column holds no more.
        .map(|number| number.min(i64::MAX as u64))
    }

    fn began_ms(&self) -> Option<u64> {
        Uuid::from_slice(&self.exchange.id).ok().and_then(|id| u64::try_from(id.as_u128() >> 80).ok())
    }

    fn any_header(&self, side: Side, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers(side).any(|field| field.name.eq_ignore_ascii_case(name) && fits(&field.value))
    }

    fn any_body(&self, side: Side, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.bodies().into_iter().zip(&self.decoded).any(|((of, body), decoded)| match body {
            Some((body, headers)) if side == Side::Either || side == of => {
                !body.data.is_empty() && fits(decoded.get_or_init(|| body::decoded(headers, &body.data)))
            }
            _ => false,
        })
    }

    fn any_filter(&self, fits: &mut dyn FnMut(&str, &str, bool) -> bool) -> bool {
        record::receipts(self.exchange).any(|receipt| fits(&receipt.name, &receipt.verdict, receipt.changed))
    }

    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.exchange.tags.iter().any(|tag| {
            let valued = match &tag.value {
                Some(Value::Text(text)) => format!("{}={text}", tag.name),
                Some(Value::Number(number)) => format!("{}={number}", tag.name),
                Some(Value::Flag(flag)) => format!("{}={flag}", tag.name),
                None => return fits(&tag.name),
            };
            fits(&tag.name) || fits(&valued)
        })
    }

    fn is(&self, what: Is) -> bool {
        let exchange = self.exchange;
        let request = exchange.request.as_ref();
        match what {
            Is::Websocket => {
                let asks = |field: &Field| {
                    field.name.eq_ignore_ascii_case("upgrade")
                        && field
                            .value
                            .split(|byte| *byte == b',')
                            .any(|it| it.trim_ascii().eq_ignore_ascii_case(b"websocket"))
                };
                outcome(exchange.outcome) == Some("upgraded") && self.headers(Side::Request).any(asks)
            }
            Is::Error => !exchange.error.is_empty(),
            Is::Answered => outcome(exchange.outcome) == Some("filter-answered"),
            Is::Changed => {
                let versions = exchange.filtered_request.is_some() || exchange.original_response.is_some();
                versions || record::receipts(exchange).any(|receipt| receipt.changed)
            }
            Is::Edited => exchange.interventions.iter().any(|how| !how.by.is_empty() && how.decision != "continue"),
            Is::Truncated => {
                let slots = [Slot::Request, Slot::Response].into_iter().zip(self.bodies());
                slots
                    .filter_map(|(slot, (_, body))| Some((slot, body?.0)))
                    .any(|(slot, body)| body.is_cut(self.captured(slot, body)))
            }
            Is::H2 => request.is_some_and(|request| request.version == "HTTP/2"),
            Is::Tls => request.is_some_and(|request| request.scheme.eq_ignore_ascii_case("https")),
            Is::Intercepted => exchange.connection.as_ref().is_some_and(|connection| connection.intercepted),
            Is::Replay => record::replay_of(exchange).is_some(),
        }
    }
}
