//! An exchange to ask about, made of plain values.

use weir_query::{Number, Query, Subject, Text};

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
    pub(crate) filters: Vec<&'static str>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) status: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) duration: Option<u64>,
}

impl Subject for Sample {
    fn text(&self, field: Text) -> Option<&str> {
        match field {
            Text::Host => Some(self.host),
            Text::Path => Some(self.path),
            Text::Method => Some(self.method),
            Text::Scheme => Some(self.scheme),
            Text::User => self.user,
            Text::Error => self.error,
            Text::Entry => Some("connect"),
            Text::Agent => Some("edge-1"),
            Text::Outcome => Some("complete"),
            Text::Id => Some("01980000-0000-7000-8000-000000000001"),
        }
    }

    fn number(&self, field: Number) -> Option<u64> {
        match field {
            Number::Status => self.status,
            Number::Size => self.size,
            Number::Duration => self.duration,
        }
    }

    fn content_type(&self) -> Option<&str> {
        self.content_type
    }

    fn any_header(&self, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.iter().any(|(own, value)| *own == name && fits(value))
    }

    fn any_filter(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.filters.iter().any(|name| fits(name))
    }

    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.tags.iter().any(|tag| fits(tag))
    }
}

pub(crate) fn sample() -> Sample {
    Sample {
        host: "api.example.com",
        path: "/admin/users?id=7",
        method: "GET",
        scheme: "https",
        content_type: Some("application/hal+json; charset=utf-8"),
        headers: vec![("x-foo", b"bar"), ("x-foo", b"b\xfer")],
        filters: vec!["block", "headers"],
        tags: vec!["geo.country", "geo.country=DE"],
        status: Some(503),
        size: Some(1_500_000),
        duration: Some(250_000),
        ..Sample::default()
    }
}

pub(crate) fn parse(text: &str) -> Query {
    Query::parse(text).expect(text)
}
