//! What is not recorded. Rules of the operator or a publisher enter, then heads, bodies and trailers as they passed; copies
//! leave in which a marker stands for each value that a rule names. What passes is not touched. Where a body cannot be
//! looked into as the rules ask, it is not recorded at all: a secret must not leave because its place was not understood.

mod form;
mod json;
mod pattern;
mod pointer;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use pattern::Pattern;
pub use pointer::Pointer;

use pattern::Patterns;

/// Most places in JSON, and most patterns: each is looked for at each value, or in each text.
pub const MOST: usize = 64;

/// Stands for a value in headers, JSON and what a pattern found.
pub const MARKER: &str = "[redacted]";
/// The same in queries and forms (RFC 3986 section 2.1).
pub const MARKER_IN_URLS: &str = "%5Bredacted%5D";

/// What is configured, each part right by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RedactConfig {
    /// of fields of heads and trailers
    pub headers: Vec<HeaderName>,
    /// names of query parameters
    pub query: Vec<String>,
    /// places in JSON bodies
    pub json: Vec<Pointer>,
    /// names of fields of forms
    pub form: Vec<String>,
    /// in values, paths and bodies
    pub patterns: Vec<Pattern>,
}

/// The rules, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rules {
    config: RedactConfig,
    patterns: Patterns,
}

/// What the head of a message says of its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    form: bool,
    multipart: bool,
    json: bool,
    /// JSON within frames of something else
    framed: bool,
    encoded: bool,
}

/// What is recorded of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Redacted {
    /// As it passed.
    Same,
    /// With markers in it.
    Other(Vec<u8>),
    /// Not at all.
    Withheld,
}

impl Kind {
    pub fn of(headers: &HeaderMap) -> Self {
        let text =
            |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
        let content = text(header::CONTENT_TYPE).to_ascii_lowercase();
        let coding = headers.contains_key(header::CONTENT_ENCODING);
        Kind {
            form: content.starts_with("application/x-www-form-urlencoded"),
            multipart: content.starts_with("multipart/"),
            json: content.contains("json") && !content.starts_with("application/grpc"),
            framed: content.starts_with("text/event-stream") || content.starts_with("application/grpc+json"),
            encoded: coding && !text(header::CONTENT_ENCODING).eq_ignore_ascii_case("identity"),
        }
    }

    /// Of a message.
    pub fn compressed(encoded: bool) -> Self {
        Kind { encoded, ..Kind::default() }
    }

    /// Of two heads that say something of one body.
    pub fn and(self, other: Self) -> Self {
        Kind {
            form: self.form || other.form,
            multipart: self.multipart || other.multipart,
            json: self.json || other.json,
            framed: self.framed || other.framed,
            encoded: self.encoded || other.encoded,
        }
    }
}

impl Rules {
    /// None where nothing is to be redacted.
    pub fn new(config: &RedactConfig) -> Option<Self> {
        let is_empty = *config == RedactConfig::default();
        (!is_empty).then(|| Rules { patterns: Patterns::new(&config.patterns), config: config.clone() })
    }

    /// The value of a field of a head or trailer.
    pub fn field<'v>(&self, name: &HeaderName, value: &'v HeaderValue) -> Cow<'v, [u8]> {
        if self.config.headers.contains(name) {
            return Cow::Borrowed(MARKER.as_bytes());
        }
        // fields that hold the URL of a request, or of the next
        let has_url = [header::REFERER, header::LOCATION, header::CONTENT_LOCATION].contains(name);
        let value = value.as_bytes();
        let value = if has_url { self.query(value) } else { Cow::Borrowed(value) };
        self.patterns.replace(value)
    }

    /// A path with its query, or a whole URL.
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, [u8]> {
        self.patterns.replace(self.query(path.as_bytes()))
    }

    /// What a filter or the agent says in words.
    pub fn words<'w>(&self, text: &'w str) -> Cow<'w, [u8]> {
        self.patterns.replace(Cow::Borrowed(text.as_bytes()))
    }

    fn query<'u>(&self, url: &'u [u8]) -> Cow<'u, [u8]> {
        let begins = url.iter().position(|byte| *byte == b'?');
        let (Some(at), false) = (begins, self.config.query.is_empty()) else { return Cow::Borrowed(url) };
        let (before, rest) = url.split_at(at + 1);
        let ends = rest.iter().position(|byte| *byte == b'#').unwrap_or(rest.len());
        match form::redact(&rest[..ends], &self.config.query) {
            Some(query) => Cow::Owned([before, &query, &rest[ends..]].concat()),
            None => Cow::Borrowed(url),
        }
    }

    /// Does any rule look into bodies?
    pub fn looks_into_bodies(&self) -> bool {
        let RedactConfig { json, form, patterns, .. } = &self.config;
        !(json.is_empty() && form.is_empty() && patterns.is_empty())
    }

    /// An event of a stream, its lines.
    pub fn event(&self, lines: &[u8], is_cut: bool) -> Redacted {
        let data = |line: &&[u8]| line.starts_with(b"data");
        let mut all = lines.split(|byte| matches!(byte, b'\n' | b'\r'));
        let (one, another) = (all.clone().find(data), all.by_ref().filter(data).nth(1));
        let (Some(one), None, false) = (one, another, self.config.json.is_empty()) else {
            return match (another, self.config.json.is_empty()) {
                // JSON over several lines is in nobody's order here
                (Some(_), false) => Redacted::Withheld,
                _ => self.body(Kind::default(), lines, is_cut),
            };
        };
        let colon = one.iter().position(|byte| *byte == b':').map_or(one.len(), |colon| colon + 1);
        let begins = one.as_ptr() as usize - lines.as_ptr() as usize + colon;
        let (before, rest) = lines.split_at(begins);
        let (value, after) = rest.split_at(one.len() - colon);
        let value = match self.body(Kind::default(), value.trim_ascii_start(), is_cut && after.is_empty()) {
            Redacted::Withheld => return Redacted::Withheld,
            Redacted::Same => return self.body(Kind { json: false, ..Kind::default() }, lines, is_cut),
            Redacted::Other(value) => value,
        };
        let words = |part: &[u8]| self.patterns.replace(Cow::Owned(part.to_vec())).into_owned();
        Redacted::Other([words(before), value, words(after)].concat())
    }

    /// What was captured of a body; `is_cut` where there was more of it.
    pub fn body(&self, kind: Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let RedactConfig { json, form, patterns, .. } = &self.config;
        if captured.is_empty() || !self.looks_into_bodies() {
            return Redacted::Same;
        }
        if kind.encoded || kind.multipart && !form.is_empty() || kind.framed && !json.is_empty() {
            return Redacted::Withheld;
        }
        let mut body = Cow::Borrowed(captured);
        if kind.form && !form.is_empty() {
            if let Some(redacted) = form::redact(&body, form) {
                body = Cow::Owned(redacted);
            }
        } else if !json.is_empty() && (kind.json || json::looks_like_it(&body)) {
            match json::redact(&body, json) {
                Ok(Some(redacted)) => body = Cow::Owned(redacted),
                Ok(None) => {}
                Err(json::Malformed) => return Redacted::Withheld,
            }
        }
        if !patterns.is_empty() {
            body = self.patterns.replace(body);
            if is_cut {
                // what began before the cut and would have been found is not to be left half
                let kept = body.len().saturating_sub(pattern::LONGEST);
                body.to_mut().truncate(kept);
            }
        }
        match body {
            Cow::Borrowed(_) => Redacted::Same,
            Cow::Owned(body) => Redacted::Other(body),
        }
    }
}

#[cfg(test)]
mod tests;
