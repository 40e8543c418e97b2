//! Which exchanges a filter meets. A publication's `match` enters; yes or no for each request leaves.

use http::{header::HOST, request};
use weir_host::Connection;
use weir_query::{Number, Query, QueryError, Subject, Text};

/// A `match` that can be answered when the request head is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Matcher(Query);

impl Matcher {
    /// Reads the `match` of a publication.
    ///
    /// # Errors
    /// It is no query, or asks for what is not known when the request arrives.
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        let query = Query::parse(text)?;
        query.request_only()?;
        Ok(Self(query))
    }

    /// It asks nothing.
    pub(super) fn fits_all(&self) -> bool {
        self.0.expr().is_none()
    }

    /// Does the filter meet this exchange? The request is as the client sent it, its URI in absolute form.
    pub(super) fn fits(&self, request: &request::Parts, connection: &Connection) -> bool {
        self.0.matches(&Head { request, connection })
    }
}

struct Head<'a> {
    request: &'a request::Parts,
    connection: &'a Connection,
}

impl Subject for Head<'_> {
    fn text(&self, field: Text) -> Option<&str> {
        match field {
            Text::Host => self.request.uri.host(),
            Text::Path => Some(self.request.uri.path()),
            Text::Method => Some(self.request.method.as_str()),
            Text::Scheme => self.request.uri.scheme_str(),
            Text::User => self.connection.user.as_deref(),
            Text::Entry => Some(self.connection.entry.as_str()),
            Text::Agent | Text::Error | Text::Outcome | Text::Id => None,
        }
    }

    fn number(&self, _field: Number) -> Option<u64> {
        None
    }

    fn content_type(&self) -> Option<&str> {
        None
    }

    fn any_header(&self, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        // the authority is in the URI; Host follows it and may not be there at all on HTTP/2
        if name == HOST.as_str() {
            return self.request.uri.authority().is_some_and(|authority| fits(authority.as_str().as_bytes()));
        }
        self.request.headers.get_all(name).iter().any(|value| fits(value.as_bytes()))
    }

    fn any_filter(&self, _fits: &mut dyn FnMut(&str) -> bool) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use weir_host::Entry;

    use super::*;

    fn check(query: &str, expect: bool) {
        let request = http::Request::builder().method("POST").uri("https://[2001:db8::1]:8443/admin/x?y=z");
        let (request, ()) = request.header("x-a", "1").header("x-a", "2").body(()).unwrap().into_parts();
        let connection = Connection {
            entry: Entry::Socks5,
            client_address: ([127, 0, 0, 1], 1).into(),
            user: Some("ann".to_owned()),
            tunnel_target: None,
            server_name: None,
            intercepted: true,
        };
        assert_eq!(Matcher::parse(query).unwrap().fits(&request, &connection), expect, "{query}");
    }

    #[test]
    fn a_request_head_meets_queries() {
        check("", true);
        check("host:2001:db8::1 path:/admin/* method:post scheme:https entry:socks5 user:ann", true);
        check("header.x-a:2 -header.x-a:3 -header.x-b:*", true);
        check("header.host:*8443", true);
        check("path:/admin", false);
    }

    #[test]
    fn what_only_a_response_can_answer_is_refused() {
        for query in ["status:200", "type:json", "filter:block", "(", "nonsense:1"] {
            assert!(Matcher::parse(query).is_err(), "{query}");
        }
    }
}
