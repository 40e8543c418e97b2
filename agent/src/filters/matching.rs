//! Which exchanges a filter meets. A publication's `match` enters; yes or no for each request leaves.
//!
//! A host is named in up to three places: by the request itself, as the target of its tunnel, and in the client's TLS. A
//! client writes each of them as it likes, so none of them alone may keep a filter away: the query is asked once for
//! each, and one yes is enough. `-host:x` then keeps a filter away only where all three name x.

use http::{
    Version,
    header::{CONTENT_TYPE, HOST},
    request, response,
};
use weir_host::{Connection, Tunnel};
use weir_query::{Expr, Is, Moment, Number, Query, QueryError, Side, Subject, Term, Text};

/// A `match` that can be answered when the request head is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Matcher {
    query: Query,
    asks_host: bool,
    /// it asks for what only a request has
    asks_request: bool,
}

impl Matcher {
    /// Reads the `match` of a publication.
    ///
    /// # Errors
    /// It is no query, or asks for what is not known when the request arrives.
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        let query = Query::parse(text)?;
        query.request_only()?;
        Ok(Self::of(query))
    }

    /// Reads the query of a breakpoint that pauses at that moment. `who` is what it is called in an error.
    ///
    /// # Errors
    /// It is no query, or asks for what is not known then.
    pub(crate) fn of_breakpoint(text: &str, moment: Moment, who: &str) -> Result<Self, QueryError> {
        let query = Query::parse(text)?;
        query.answerable(moment, who)?;
        Ok(Self::of(query))
    }

    fn of(query: Query) -> Self {
        let asks_host = query.expr().is_some_and(asks_host);
        let asks_request = query.expr().is_some_and(asks_request);
        Self { query, asks_host, asks_request }
    }

    /// It asks nothing.
    pub(super) fn fits_all(&self) -> bool {
        self.query.expr().is_none()
    }

    /// Does the filter meet this exchange? The request is as the client sent it, its URI in absolute form.
    pub(crate) fn fits(&self, request: &request::Parts, connection: &Connection) -> bool {
        self.fits_heads(request, None, connection)
    }

    /// Does the exchange fit, now that there is a response?
    pub(crate) fn fits_response(
        &self,
        request: &request::Parts,
        response: &response::Parts,
        connection: &Connection,
    ) -> bool {
        self.fits_heads(request, Some(response), connection)
    }

    fn fits_heads(
        &self,
        request: &request::Parts,
        response: Option<&response::Parts>,
        connection: &Connection,
    ) -> bool {
        let named = request.uri.authority().map(|authority| authority.as_str());
        let fits = |authority: Option<&str>| self.query.matches(&Head { request, response, connection, authority });
        if fits(named) {
            return true;
        }
        let others = others(connection).filter(|other| named != Some(other));
        self.asks_host && others.into_iter().any(|other| fits(Some(other)))
    }

    /// Does it fit a request to the host of this name?
    pub(super) fn fits_as(&self, authority: Option<&str>, request: &request::Parts, connection: &Connection) -> bool {
        self.query.matches(&Head { request, response: None, connection, authority })
    }

    /// Does it fit a tunnel to the host of this name? None: it asks for what a tunnel does not have.
    pub(super) fn fits_tunnel_as(&self, authority: &str, tunnel: &Tunnel) -> Option<bool> {
        (!self.asks_request).then(|| self.query.matches(&Asked { tunnel, authority }))
    }

    /// Is the filter asked about this tunnel? Not where the query asks for what a tunnel does not have.
    pub(super) fn fits_tunnel(&self, tunnel: &Tunnel, named: &[&str]) -> bool {
        !self.asks_request && named.iter().any(|authority| self.query.matches(&Asked { tunnel, authority }))
    }
}

/// Where the host of a request is named beside the request.
pub(super) fn others(connection: &Connection) -> impl Iterator<Item = &str> {
    [connection.tunnel_target.as_deref(), connection.server_name.as_deref()].into_iter().flatten()
}

fn asks_request(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_request),
        Expr::Not(inner) => asks_request(inner),
        Expr::Term(Term::Text(field, _)) => !matches!(field, Text::Host | Text::User | Text::Entry | Text::Client),
        Expr::Term(_) => true,
    }
}

/// A tunnel that a client asks for.
struct Asked<'a> {
    tunnel: &'a Tunnel,
    /// one of the places where the host is named, with or without a port
    authority: &'a str,
}

impl Subject for Asked<'_> {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        match field {
            Text::Host => fits(host(self.authority)),
            Text::User => self.tunnel.user.as_deref().is_some_and(fits),
            Text::Entry => fits(self.tunnel.entry.as_str()),
            Text::Client => fits(&self.tunnel.client_address.to_string()),
            _ => false,
        }
    }

    fn any_header(&self, _side: Side, _name: &str, _fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn is(&self, _what: Is) -> bool {
        false
    }
}

fn asks_host(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_host),
        Expr::Not(inner) => asks_host(inner),
        Expr::Term(Term::Text(field, _)) => matches!(field, Text::Host | Text::Url),
        Expr::Term(Term::Header { name, .. }) => name == HOST.as_str(),
        Expr::Term(_) => false,
    }
}

struct Head<'a> {
    request: &'a request::Parts,
    /// from when it is there
    response: Option<&'a response::Parts>,
    connection: &'a Connection,
    /// one of the places where the host is named, with or without a port
    authority: Option<&'a str>,
}

/// Without the port.
fn host(authority: &str) -> &str {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    authority[end..].find(':').map_or(authority, |colon| &authority[..end + colon])
}

/// A field's value as text, one character for each byte.
fn latin1(value: &[u8]) -> String {
    value.iter().map(|&byte| char::from(byte)).collect()
}

impl Head<'_> {
    fn response_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.response.into_iter().flat_map(move |head| head.headers.get_all(name)).map(|value| value.as_bytes())
    }

    fn url(&self) -> String {
        let uri = &self.request.uri;
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let authority = self.authority.unwrap_or_default();
        uri.scheme_str().map_or_else(|| format!("{authority}{path}"), |scheme| format!("{scheme}://{authority}{path}"))
    }
}

impl Subject for Head<'_> {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        match field {
            Text::Host => self.authority.map(host).is_some_and(fits),
            Text::Path => fits(self.request.uri.path()),
            Text::Url => fits(&self.url()),
            Text::Method => fits(self.request.method.as_str()),
            Text::Scheme => self.request.uri.scheme_str().is_some_and(fits),
            Text::User => self.connection.user.as_deref().is_some_and(fits),
            Text::Client => fits(&self.connection.client_address.to_string()),
            Text::Entry => fits(self.connection.entry.as_str()),
            Text::Type => self.response_values(CONTENT_TYPE.as_str()).next().is_some_and(|kind| fits(&latin1(kind))),
            Text::Agent | Text::Error | Text::Outcome | Text::Id => false,
        }
    }

    fn any_header(&self, side: Side, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        if side.has_response() && self.response_values(name).any(&mut *fits) {
            return true;
        }
        if !side.has_request() {
            return false;
        }
        // Host follows the authority and may not be there at all on HTTP/2
        if name == HOST.as_str() {
            return self.authority.is_some_and(|authority| fits(authority.as_bytes()));
        }
        self.request.headers.get_all(name).iter().any(|value| fits(value.as_bytes()))
    }

    fn number(&self, field: Number) -> Option<u64> {
        self.response.filter(|_| field == Number::Status).map(|head| u64::from(head.status.as_u16()))
    }

    fn is(&self, what: Is) -> bool {
        match what {
            Is::H2 => self.request.version == Version::HTTP_2,
            Is::Tls => self.request.uri.scheme_str() == Some("https"),
            Is::Intercepted => self.connection.intercepted,
            Is::Websocket | Is::Error | Is::Answered | Is::Changed | Is::Truncated | Is::Edited | Is::Replay => false,
        }
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
        check("path~^/admin host~\"^2001:DB8:\" -path~^/ADMIN header.x-a~[2-9]", true);
        check("url:*/admin/x?y=z client:127.0.0.1 client:127.0.0.1:1 client~^127[.] -client:127.0.0.2", true);
        check("url:https://[2001:db8::1]:8443/*", true);
        check("is:tls is:intercepted -is:h2 request.header.x-a:1", true);
    }

    fn check_hosts(query: &str, [authority, tunnel, sni]: [&str; 3], expect: bool) {
        let uri = format!("https://{authority}/");
        let (request, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let connection = Connection {
            entry: Entry::Connect,
            client_address: ([127, 0, 0, 1], 1).into(),
            user: None,
            tunnel_target: known(tunnel),
            server_name: known(sni),
            intercepted: true,
        };
        let fits = Matcher::parse(query).unwrap().fits(&request, &connection);
        assert_eq!(fits, expect, "{query} of {authority} by {tunnel} as {sni}");
    }

    #[test]
    fn no_place_where_a_host_is_named_keeps_a_filter_away() {
        let (evil, inner) = ("evil.com", "internal.example");
        for query in ["host:evil.com", "host:evil.com or method:PUT", "-(-host:evil.com)", "-host:internal.example"] {
            check_hosts(query, [inner, "evil.com:443", evil], true);
            check_hosts(query, [inner, "192.0.2.1:443", evil], true);
            check_hosts(query, [inner, "evil.com:443", ""], true);
            check_hosts(query, ["EVIL.com.:8443", "192.0.2.1:443", "internal.example"], true);
        }
        check_hosts("-host:internal.example", [inner, "internal.example:443", inner], false);
        check_hosts("host:evil.com", [inner, "internal.example:443", inner], false);
        check_hosts("header.host:evil.com:443", [inner, "evil.com:443", inner], true);
        check_hosts("url:*//evil.com*", [inner, "evil.com:443", inner], true);
        check_hosts("host~evil", [inner, "evil.com:443", inner], true);
        check_hosts("host:2001:db8::1", [inner, "[2001:db8::1]:443", ""], true);
        check_hosts("host:evil.com method:PUT", [inner, "evil.com:443", evil], false);
    }

    #[test]
    fn a_tunnel_meets_queries_that_it_can_answer() {
        let client_address = ([127, 0, 0, 1], 1).into();
        let (user, target) = (Some("ann".to_owned()), "a.example:443".to_owned());
        let tunnel = Tunnel { entry: Entry::Connect, client_address, user, target };
        for (query, expect) in [
            ("", true),
            ("host:a.example", true),
            ("host:b.example", true),
            ("host:c.example", false),
            ("-host:a.example", true),
            ("entry:connect user:ann", true),
            ("client:127.0.0.1", true),
            ("url:*a.example*", false),
            ("-is:h2", false),
            ("-user:ann", false),
            ("host:a.example path:/x", false),
            ("host:a.example or method:GET", false),
            ("-path:/x", false),
            ("-header.x:y", false),
            ("scheme:https", false),
        ] {
            let matcher = Matcher::parse(query).unwrap();
            assert_eq!(matcher.fits_tunnel(&tunnel, &["a.example:443", "b.example"]), expect, "{query}");
        }
    }

    #[test]
    fn what_only_a_response_can_answer_is_refused() {
        for query in [
            "status:200",
            "type:json",
            "filter:block",
            "body:x",
            "body~x",
            "response.header.a:b",
            "is:error",
            "login",
            "after:-1h",
            "(",
            "nonsense:1",
        ] {
            assert!(Matcher::parse(query).is_err(), "{query}");
        }
    }
}
