//! What a request is for. Enters: its head as hyper parsed it, and the target of the tunnel it came through, if any;
//! leaves: its URI in absolute form and the target to dial. Pure; must not know whether that target may be dialled.

use http::header::{HOST, HeaderValue};
use http::uri::{self, Authority, PathAndQuery};
use http::{Method, Uri, Version, request};

use crate::target::{Scheme, Target, TargetError};
use crate::upstream::set_host;

/// A request that cannot be placed. The client is to blame for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    #[error("an HTTP/1.1 request needs a Host field (RFC 9112 section 3.2)")]
    NoHost,
    #[error("the request has more than one Host field (RFC 9112 section 3.2)")]
    ManyHosts,
    #[error("the Host field holds no host (RFC 9112 section 3.2)")]
    InvalidHost,
    #[error("Host and :authority name different hosts (RFC 9113 section 8.3.1)")]
    Disagreement,
    #[error("this is a proxy: the request line needs the whole URL (RFC 9112 section 3.2.2)")]
    NotAbsolute,
    #[error("the URL's scheme is not the one that this connection was opened for")]
    WrongScheme,
    #[error("the request target is none that HTTP knows (RFC 9112 section 3.2)")]
    Form,
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Puts the request's URI into absolute form and says where it goes. Inside a tunnel that is where the tunnel goes,
/// whatever `Host` says: filters see both and may judge; the connection is not moved by a header.
pub(super) fn resolve(request: &mut request::Parts, origin: Option<&Target>) -> Result<Target, Misplaced> {
    let as_received = request.uri.clone();
    let placed = place(request, origin);
    match placed {
        // Filters read one `Host`, whatever the version was.
        Ok(_) => drop(request.uri.authority().map(|authority| set_host(&mut request.headers, authority.as_str()))),
        Err(_) => request.uri = as_received,
    }
    placed
}

fn place(request: &mut request::Parts, origin: Option<&Target>) -> Result<Target, Misplaced> {
    let uri = std::mem::take(&mut request.uri).into_parts();
    // asterisk-form is for OPTIONS alone (RFC 9112 section 3.2.4)
    if request.method != Method::OPTIONS && uri.path_and_query.as_ref().is_some_and(|path| path.as_str() == "*") {
        return Err(Misplaced::Form);
    }
    match (uri.scheme, uri.authority, origin) {
        (Some(scheme), Some(authority), _) => whole_url(request, scheme, authority, uri.path_and_query, origin),
        (None, None, Some(origin)) => path_alone(request, uri.path_and_query, origin),
        (None, None, None) => Err(Misplaced::NotAbsolute),
        // authority-form is for CONNECT alone
        _ => Err(Misplaced::Form),
    }
}

/// A URL in the request line decides, and replaces `Host` (RFC 9112 section 3.2.2); over HTTP/2 the two must agree.
fn whole_url(
    request: &mut request::Parts,
    scheme: uri::Scheme,
    authority: Authority,
    path: Option<PathAndQuery>,
    origin: Option<&Target>,
) -> Result<Target, Misplaced> {
    let host = the_host(request)?;
    let same = host.is_none_or(|host| host.as_bytes() == authority.as_str().as_bytes());
    let host = if same { None } else { host.map(parse_host).transpose()? };
    // OPTIONS with an empty path would mean the server as a whole (RFC 9112 section 3.2.4), but the URI parser does not
    // tell an empty path from "/"; clients that mean it say "*" inside a tunnel.
    request.uri = absolute(scheme, authority, path)?;
    let target = Target::from_uri(&request.uri)?;
    if request.version == Version::HTTP_2
        && let Some(host) = host
        && Target::from_authority(target.scheme, &host)? != target
    {
        return Err(Misplaced::Disagreement);
    }
    match origin {
        Some(origin) if origin.scheme != target.scheme => Err(Misplaced::WrongScheme),
        Some(origin) => Ok(origin.clone()),
        None => Ok(target),
    }
}

/// A path alone, so that `Host` has the site's name: a request as origin servers get it.
fn path_alone(request: &mut request::Parts, path: Option<PathAndQuery>, origin: &Target) -> Result<Target, Misplaced> {
    let authority = match the_host(request)? {
        Some(host) => parse_host(host)?,
        // HTTP/1.0 may leave Host out; then the tunnel's target is all there is
        None => origin.authority().parse().map_err(|_| Misplaced::InvalidHost)?,
    };
    // it has to be well formed although the tunnel decides where to go
    Target::from_authority(origin.scheme, &authority)?;
    let scheme = match origin.scheme {
        Scheme::Http => uri::Scheme::HTTP,
        Scheme::Https => uri::Scheme::HTTPS,
    };
    request.uri = absolute(scheme, authority, path)?;
    Ok(origin.clone())
}

fn absolute(scheme: uri::Scheme, authority: Authority, path: Option<PathAndQuery>) -> Result<Uri, Misplaced> {
    let path = match path {
        Some(path) if path.as_str().starts_with('?') => {
            format!("/{}", path.as_str()).parse().map_err(|_| Misplaced::Form)?
        }
        Some(path) => path,
        None => PathAndQuery::from_static("/"),
    };
    let mut parts = uri::Parts::default();
    (parts.scheme, parts.authority, parts.path_and_query) = (Some(scheme), Some(authority), Some(path));
    Uri::from_parts(parts).map_err(|_| Misplaced::Form)
}

/// RFC 9112 section 3.2: 400 for an HTTP/1.1 request without Host, and for any with two.
fn the_host(request: &request::Parts) -> Result<Option<&HeaderValue>, Misplaced> {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version == Version::HTTP_11 => Err(Misplaced::NoHost),
        (host, None) => Ok(host),
        (_, Some(_)) => Err(Misplaced::ManyHosts),
    }
}

fn parse_host(host: &HeaderValue) -> Result<Authority, Misplaced> {
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| Misplaced::InvalidHost)?;
    let is_host = !authority.as_str().contains('@') && !authority.host().is_empty();
    is_host.then_some(authority).ok_or(Misplaced::InvalidHost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> request::Parts {
        let mut lines = text.lines();
        let mut first = lines.next().unwrap().split(' ');
        let mut request = http::Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
        request = request.version(match first.next().unwrap() {
            "HTTP/1.0" => Version::HTTP_10,
            "HTTP/1.1" => Version::HTTP_11,
            _ => Version::HTTP_2,
        });
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            request = request.header(name, value.trim());
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The URI that filters see, and where the exchange goes.
    fn check(text: &str, origin: Option<&str>, expect: Result<(&str, &str), Misplaced>) {
        let mut request = head(text);
        let origin = origin.map(|uri| Target::from_uri(&uri.parse().unwrap()).unwrap());
        let got = resolve(&mut request, origin.as_ref());
        let got = got.map(|target| (request.uri.to_string(), target.to_string()));
        assert_eq!(got, expect.map(|(uri, target)| (uri.to_owned(), target.to_owned())), "{text}");
        if got.is_ok() {
            assert_eq!(request.headers[HOST], request.uri.authority().unwrap().as_str(), "{text}");
        }
    }

    #[test]
    fn a_forward_request_goes_where_its_url_says() {
        check("GET http://a.example/x?y HTTP/1.1\nHost: a.example", None, Ok(("http://a.example/x?y", "a.example:80")));
        check("GET http://a.example HTTP/1.1\nHost: b.example", None, Ok(("http://a.example/", "a.example:80")));
        check("GET http://a.example?y HTTP/1.0", None, Ok(("http://a.example/?y", "a.example:80")));
        check("GET HTTP://A.example:8080/ HTTP/1.0", None, Ok(("http://A.example:8080/", "a.example:8080")));
        check("GET https://a.example/ HTTP/2", None, Ok(("https://a.example/", "a.example:443")));
        check("OPTIONS http://a.example/ HTTP/1.0", None, Ok(("http://a.example/", "a.example:80")));
    }

    #[test]
    fn inside_a_tunnel_host_names_the_site_and_the_tunnel_the_way() {
        let origin = Some("https://192.0.2.1:8443/");
        check("GET /x HTTP/1.1\nHost: a.example", origin, Ok(("https://a.example/x", "192.0.2.1:8443")));
        check("GET /x HTTP/1.0", origin, Ok(("https://192.0.2.1:8443/x", "192.0.2.1:8443")));
        check("OPTIONS * HTTP/1.1\nHost: a.example", origin, Ok(("https://a.example*", "192.0.2.1:8443")));
        check("GET https://a.example/x HTTP/2", origin, Ok(("https://a.example/x", "192.0.2.1:8443")));
        check(
            "GET https://a.example/x HTTP/2\nHost: a.example:443",
            origin,
            Ok(("https://a.example/x", "192.0.2.1:8443")),
        );
        check("GET http://a.example/x HTTP/1.1\nHost: a.example", origin, Err(Misplaced::WrongScheme));
        check("GET https://a.example/x HTTP/2\nHost: b.example", origin, Err(Misplaced::Disagreement));
    }

    #[test]
    fn a_request_that_cannot_be_placed_is_refused() {
        let origin = Some("http://a.example/");
        check("GET / HTTP/1.1\nHost: a.example", None, Err(Misplaced::NotAbsolute));
        check("GET / HTTP/1.1", origin, Err(Misplaced::NoHost));
        check("GET http://a.example/ HTTP/1.1", None, Err(Misplaced::NoHost));
        check("GET / HTTP/1.1\nHost: a.example\nHost: a.example", origin, Err(Misplaced::ManyHosts));
        check("GET / HTTP/1.1\nHost:", origin, Err(Misplaced::InvalidHost));
        check("GET / HTTP/1.1\nHost: a b", origin, Err(Misplaced::InvalidHost));
        check("GET / HTTP/1.1\nHost: me@a.example", origin, Err(Misplaced::InvalidHost));
        check("GET / HTTP/1.1\nHost: a.example/x", origin, Err(Misplaced::InvalidHost));
        check("GET http://a.example/ HTTP/1.1\nHost: a b", None, Err(Misplaced::InvalidHost));
        check("GET http://me:pw@a.example/ HTTP/1.0", None, Err(TargetError::UserInfo.into()));
        check("GET ftp://a.example/ HTTP/1.0", None, Err(TargetError::Scheme.into()));
        check("GET a.example:80 HTTP/1.0", origin, Err(Misplaced::Form));
        check("GET * HTTP/1.1\nHost: a.example", origin, Err(Misplaced::Form));
    }

    proptest! {
        #[test]
        fn a_placed_request_has_one_host_and_an_absolute_uri(
            host in "[ -~]{0,24}", uri in "(http://[a-z.:@\\[\\]0-9]{1,12})?/[!-~]{0,8}", tunnel in any::<bool>(),
        ) {
            let origin = Target::from_uri(&"http://o.example:81/".parse().unwrap()).unwrap();
            let request = http::Request::builder().uri(uri).header(HOST, host).body(());
            prop_assume!(request.is_ok());
            let mut request = request.unwrap().into_parts().0;
            if let Ok(target) = resolve(&mut request, tunnel.then_some(&origin)) {
                prop_assert_eq!(request.headers.get_all(HOST).iter().count(), 1);
                let seen = Target::from_uri(&request.uri).unwrap();
                prop_assert_eq!(target, if tunnel { origin } else { seen });
            }
        }
    }
}
