//! An exchange to ask about, made of plain values: the one of docs/query.md.

#![allow(dead_code, reason = "each test takes what it needs")]

use weir_query::{Is, Number, Query, Side, Subject, Text};

#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) host: &'static str,
    pub(crate) path: &'static str,
    pub(crate) method: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) user: Option<&'static str>,
    pub(crate) error: Option<&'static str>,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, &'static [u8])>,
    pub(crate) response_headers: Vec<(&'static str, &'static [u8])>,
    pub(crate) bodies: [&'static [u8]; 2],
    pub(crate) filters: Vec<(&'static str, &'static str, bool)>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) is: Vec<Is>,
    pub(crate) status: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) duration: Option<u64>,
}

impl Subject for Sample {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        match field {
            Text::Host => fits(self.host),
            Text::Path => fits(self.path),
            Text::Url => fits(&format!("{}://{}{}", self.scheme, self.host, self.path)),
            Text::Method => fits(self.method),
            Text::Scheme => fits(self.scheme),
            Text::User => self.user.is_some_and(fits),
            Text::Error => self.error.is_some_and(fits),
            Text::Type => self.content_type.is_some_and(fits),
            Text::Client => fits("192.0.2.7:51034"),
            Text::Entry => fits("connect"),
            Text::Agent => fits("01980000-0000-7000-8000-0000000000aa") || fits("edge-1"),
            Text::Outcome => fits("complete"),
            Text::Id => fits("01980000-0000-7000-8000-000000000001"),
        }
    }

    fn number(&self, field: Number) -> Option<u64> {
        match field {
            Number::Status => self.status,
            Number::Size => self.size,
            Number::RequestSize => Some(14),
            Number::Duration => self.duration,
            Number::FirstByte => Some(40_000),
        }
    }

    fn began_ms(&self) -> Option<u64> {
        // 2026-11-20T08:15:30.250Z
        Some(1_795_162_530_250)
    }

    fn any_header(&self, side: Side, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let request = self.headers.iter().filter(|_| side.has_request());
        let response = self.response_headers.iter().filter(|_| side.has_response());
        request.chain(response).any(|(own, value)| *own == name && fits(value))
    }

    fn any_body(&self, side: Side, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        side.has_request() && fits(self.bodies[0]) || side.has_response() && fits(self.bodies[1])
    }

    fn any_filter(&self, fits: &mut dyn FnMut(&str, &str, bool) -> bool) -> bool {
        self.filters.iter().any(|(name, verdict, changed)| fits(name, verdict, *changed))
    }

    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.tags.iter().any(|tag| fits(tag))
    }

    fn is(&self, what: Is) -> bool {
        self.is.contains(&what)
    }
}

pub(crate) fn sample() -> Sample {
    Sample {
        host: "api.example.com",
        path: "/admin/users?id=7",
        method: "GET",
        scheme: "https",
        user: Some("ann"),
        content_type: Some("application/hal+json; charset=utf-8"),
        headers: vec![("x-foo", b"bar"), ("x-foo", b"baz"), ("x-odd", b"b\xfer")],
        response_headers: vec![("server", b"up-1"), ("content-type", b"application/hal+json; charset=utf-8")],
        bodies: [br#"{"name":"Zoe"}"#, br#"{"error":"Token expired"}"#],
        filters: vec![("block", "next", false), ("headers", "next", true)],
        tags: vec!["geo.country", "geo.country=DE", "geo.eu", "geo.eu=true"],
        is: vec![Is::Changed, Is::Truncated, Is::H2, Is::Tls, Is::Intercepted],
        status: Some(503),
        size: Some(1_500_000),
        duration: Some(250_000),
        ..Sample::default()
    }
}

pub(crate) fn parse(text: &str) -> Query {
    Query::parse(text).expect(text)
}
