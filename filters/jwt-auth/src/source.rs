//! Where a token stands in a request (RFC 6750 section 2), and how it is taken out.

use weir_sdk::{HeaderError, Problems, Request, field};

use crate::config::Config;

#[derive(Debug)]
pub(crate) struct Sources {
    cookie: Option<String>,
    query: Option<String>,
    max_length: usize,
    forward: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Authorization,
    Cookie,
    Query,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) token: String,
    place: Place,
}

/// More than one token, or one that is too long.
#[derive(Debug)]
pub(crate) struct Unfit;

const LENGTHS: std::ops::RangeInclusive<usize> = 256..=16_384;

impl Sources {
    pub(crate) fn new(config: &Config, problems: &mut Problems) -> Self {
        for (at, name) in [("/cookie", &config.cookie), ("/query", &config.query)] {
            if name.as_deref().is_some_and(|name| !field::is_token(name) || name.contains('%')) {
                problems.push(at, "letters, digits and `-._~`");
            }
        }
        if !LENGTHS.contains(&config.max_length) {
            problems.push("/max_length", format!("{} to {} bytes", LENGTHS.start(), LENGTHS.end()));
        }
        Self {
            cookie: config.cookie.clone(),
            query: config.query.clone(),
            max_length: config.max_length,
            forward: config.forward,
        }
    }

    /// RFC 6750 section 2: a client uses one way only. With two, the upstream might go by the other.
    pub(crate) fn find(&self, request: &Request) -> Result<Option<Found>, Unfit> {
        let mut tokens = Vec::new();
        let lines = request.headers().get_all("authorization");
        if lines.len() > 1 {
            return Err(Unfit);
        }
        for line in lines {
            // Another scheme is no token, and does not stand in the way of a cookie's.
            if let Some((scheme, token)) = line.split_once(' ')
                && scheme.eq_ignore_ascii_case("bearer")
            {
                tokens.push(Found { token: token.trim().to_owned(), place: Place::Authorization });
            }
        }
        if let Some(name) = &self.cookie {
            for line in request.headers().get_all("cookie") {
                let values = line.split(';').filter_map(|pair| value_of(pair.trim(), name));
                tokens.extend(values.map(|token| Found { token: token.to_owned(), place: Place::Cookie }));
            }
        }
        if let Some(name) = &self.query {
            let path = request.path();
            let query = path.split_once('?').map_or("", |(_, query)| query);
            let values = query.split('&').filter_map(|pair| value_of(pair, name));
            tokens.extend(values.map(|token| Found { token: token.to_owned(), place: Place::Query }));
        }
        match tokens.pop() {
            Some(found) if !tokens.is_empty() || found.token.len() > self.max_length => Err(Unfit),
            other => Ok(other),
        }
    }

    /// Takes the token out, unless the upstream is to have it.
    pub(crate) fn strip(&self, found: &Found, request: &mut Request) -> Result<(), HeaderError> {
        if self.forward {
            return Ok(());
        }
        match (&found.place, &self.cookie, &self.query) {
            (Place::Authorization, ..) => request.headers_mut().remove("authorization"),
            (Place::Cookie, Some(name), _) => {
                let lines = request.headers().get_all("cookie");
                let pairs = lines.iter().flat_map(|line| line.split(';')).map(str::trim);
                let rest: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && value_of(pair, name).is_none()).collect();
                match rest.is_empty() {
                    true => request.headers_mut().remove("cookie"),
                    false => request.headers_mut().set("cookie", &rest.join("; ")),
                }
            }
            (Place::Query, _, Some(name)) => {
                let path = request.path();
                let Some((path, query)) = path.split_once('?') else { return Ok(()) };
                let rest: Vec<&str> = query.split('&').filter(|pair| value_of(pair, name).is_none()).collect();
                match rest.is_empty() {
                    true => request.set_path(path),
                    false => request.set_path(&format!("{path}?{}", rest.join("&"))),
                }
            }
            _ => Ok(()),
        }
    }
}

fn value_of<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value)
}
