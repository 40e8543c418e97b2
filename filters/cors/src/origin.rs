//! Origins and patterns of them. An origin is compared byte by byte: browsers send it in one form only (RFC 6454 section
//! 6.2), and what is in another form was not sent by one.

/// What the configuration lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    /// `*`
    Any,
    /// `null`: sandboxed frames, files, and whoever wants to be one
    Null,
    /// `https://app.example.com`
    Exact(String),
    /// `https://*.example.com:8443`: every name below. Holds what stands before and behind the star.
    Below { scheme: String, tail: String },
}

impl OriginPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let expected = "write `https://app.example.com`, `https://*.example.com`, `null` or `*`";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("`{text}` is no origin: {expected}"));
        };
        let (is_below, host) = match rest.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, rest),
        };
        if !is_scheme(scheme) || !is_host_and_port(host) || host.contains("..") || host.starts_with('.') {
            return Err(format!("`{text}` is no origin: {expected}, in lower case and without a path"));
        }
        let is_default =
            matches!(scheme, "https") && host.ends_with(":443") || scheme == "http" && host.ends_with(":80");
        if is_default {
            return Err(format!("`{text}`: browsers leave out the scheme's own port, so this matches nothing"));
        }
        if is_below && (host.starts_with('[') || !host.contains('.')) {
            return Err(format!("`{text}` would let in a whole top-level domain, or part of an address"));
        }
        Ok(match is_below {
            true => Self::Below { scheme: format!("{scheme}://"), tail: format!(".{host}") },
            false => Self::Exact(text.to_owned()),
        })
    }

    pub(crate) fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => is_origin(origin),
            Self::Null => origin == "null",
            Self::Exact(own) => own == origin,
            Self::Below { scheme, tail } => {
                let label = origin.strip_prefix(scheme.as_str()).and_then(|rest| rest.strip_suffix(tail.as_str()));
                label.is_some_and(is_name)
            }
        }
    }
}

/// Something that a browser may have sent: for `*`, and never sent back unseen.
fn is_origin(text: &str) -> bool {
    text == "null" || text.split_once("://").is_some_and(|(scheme, rest)| is_scheme(scheme) && is_host_and_port(rest))
}

fn is_scheme(text: &str) -> bool {
    let follows = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.as_bytes().first().is_some_and(u8::is_ascii_lowercase) && text.bytes().all(follows)
}

/// A name or an address, and a port if there is one.
fn is_host_and_port(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        Some((name, port)) => is_name(name) && is_port(port),
        None => is_name(text),
    }
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && !text.ends_with('.') && text.bytes().all(part)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_below_and_nothing_else() {
        let pattern = OriginPattern::parse("https://*.example.com").unwrap();
        for yes in ["https://a.example.com", "https://a.b.example.com", "https://xn--a.example.com"] {
            assert!(pattern.matches(yes), "{yes}");
        }
        for no in [
            "https://example.com",
            "https://.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://evilexample.com",
            "https://a.example.com.evil.net",
            "https://evil.net/.example.com",
            "https://evil.net#.example.com",
            "https://user@a.example.com",
            "https://A.example.com",
            "https://a\u{e9}.example.com",
            "https://a .example.com",
            "null",
            "",
        ] {
            assert!(!pattern.matches(no), "{no}");
        }
        assert!(OriginPattern::parse("http://*.example.com:81").unwrap().matches("http://a.example.com:81"));
    }

    #[test]
    fn what_no_browser_sends_is_a_fault() {
        for text in [
            "",
            "example.com",
            "https://",
            "https://a/",
            "https://A.example",
            "HTTPS://a.example",
            "https://*",
            "https://*.com",
            "https://*.",
            "https://a.*.example",
            "*.example.com",
            "https://a.example:443",
            "http://a.example:80",
            "https://a:99999",
            "https://[::1",
            "https://*.[::1]",
            "https://u@a.example",
        ] {
            OriginPattern::parse(text).unwrap_err();
        }
        for text in ["http://localhost:3000", "https://[::1]:8443", "chrome-extension://abc", "http://10.0.0.1"] {
            assert!(OriginPattern::parse(text).unwrap().matches(text), "{text}");
        }
    }

    #[test]
    fn null_is_let_in_by_name_only() {
        assert!(OriginPattern::parse("null").unwrap().matches("null"));
        assert!(!OriginPattern::parse("https://a.example").unwrap().matches("null"));
    }
}
