//! The address of an entry, in parts.

/// Of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// Why an address is none of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Other {
    /// Not HTTP: `data`, `blob`, `file`, extensions of browsers and the like.
    Scheme(String),
    NoUrl,
    NoHost,
}

/// Parts of an `http:` or `https:` address, with `ws:` and `wss:` for what they begin as.
pub(crate) fn split(url: &str) -> Result<Target, Other> {
    let url = url.trim();
    let (scheme, rest) = url.split_once(':').ok_or(Other::NoUrl)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Err(Other::NoUrl);
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "http",
        "https" | "wss" => "https",
        other => return Err(Other::Scheme(other.chars().take(32).collect())),
    };
    let rest = rest.strip_prefix("//").ok_or(Other::NoHost)?;
    // A fragment is not sent.
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // Nor is who signs in by the address (RFC 9110 section 4.2.4).
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_host = !authority.is_empty() && !authority.starts_with(':');
    if !has_host || authority.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Other::NoHost);
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Target { scheme: scheme.to_owned(), authority: authority.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expect: [&str; 3]) {
        let [scheme, authority, path] = expect.map(str::to_owned);
        assert_eq!(split(url), Ok(Target { scheme, authority, path }), "{url}");
    }

    #[test]
    fn addresses() {
        check("https://A.example:8443/a?b=c#d", ["https", "A.example:8443", "/a?b=c"]);
        check("HTTP://a", ["http", "a", "/"]);
        check("http://a?b", ["http", "a", "/?b"]);
        check("wss://user:secret@[2001:db8::1]/", ["https", "[2001:db8::1]", "/"]);
    }

    #[test]
    fn what_is_none_of_ours() {
        assert_eq!(split("data:text/html,hi"), Err(Other::Scheme("data".to_owned())));
        assert_eq!(split("chrome-extension://abc/x.js"), Err(Other::Scheme("chrome-extension".to_owned())));
        for url in ["", "/a", "a b:c", "1://a"] {
            assert_eq!(split(url), Err(Other::NoUrl), "{url}");
        }
        for url in ["http:", "http:///a", "http://:80/", "http://a b/", "http://u@/"] {
            assert_eq!(split(url), Err(Other::NoHost), "{url}");
        }
    }
}
