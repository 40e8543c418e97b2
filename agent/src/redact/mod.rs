//! What is not recorded. Rules of the operator or a publisher enter, then heads, bodies and trailers as they passed; copies
//! leave in which a marker stands for each value that a rule names. What passes is not touched. Where a body cannot be
//! looked into as the rules ask, it is not recorded at all: a secret must not leave because its place was not understood.

mod form;
mod json;
mod mask;
mod pattern;
mod pointer;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use weir_host::Codings;

pub use mask::{Kept, Restored, markers, unnumbered};
pub use pattern::Pattern;
pub use pointer::Pointer;

use mask::Masking;
use pattern::Patterns;

/// Most places in JSON, and most patterns: each is looked for at each value, or in each text.
pub const MOST: usize = 64;

/// Of a body whose content codings are undone, as much is looked into as an agent may be told to capture of one.
const MOST_DECODED: usize = 1 << 20;
/// What is left of it, coded anew, takes no more than so many times what was captured, and some.
const GROWTH: usize = 2;
const SOME: usize = 1 << 10;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    form: bool,
    multipart: bool,
    json: bool,
    /// JSON within frames of something else
    framed: bool,
    coding: Coding,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Plain,
    Known(Codings),
    /// nobody here can look into it
    Unknown,
}

/// What is recorded of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Redacted {
    /// As it passed.
    Same,
    /// With markers in it, coded as it was; and whether there was more of it.
    Other(Vec<u8>, bool),
    /// Not at all.
    Withheld,
}

impl Kind {
    pub fn of(headers: &HeaderMap) -> Self {
        // who says it twice, or with characters that have no place there, means it all the same
        let values = headers.get_all(header::CONTENT_TYPE).iter();
        let contents: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase()).collect();
        let is = |kind: &str| contents.iter().any(|content| content.starts_with(kind));
        Kind {
            form: is("application/x-www-form-urlencoded"),
            multipart: is("multipart/"),
            json: contents.iter().any(|content| content.contains("json") && !content.starts_with("application/grpc")),
            framed: is("text/event-stream") || is("application/grpc+json"),
            coding: match Codings::of(headers) {
                Ok(None) => Coding::Plain,
                Ok(Some(codings)) => Coding::Known(codings),
                Err(_) => Coding::Unknown,
            },
        }
    }

    /// Of a message: one that is compressed, and whose sender alone knows how.
    pub fn compressed(is_compressed: bool) -> Self {
        Kind { coding: if is_compressed { Coding::Unknown } else { Coding::Plain }, ..Kind::default() }
    }

    /// The same without codings.
    pub fn uncoded(self) -> Self {
        Kind { coding: Coding::Plain, ..self }
    }

    pub fn is_coded(&self) -> bool {
        self.coding != Coding::Plain
    }

    /// How it is coded says the head that came with it; what it is may the other head of the same body say too.
    pub fn or_as(self, other: &Self) -> Self {
        Kind {
            form: self.form || other.form,
            multipart: self.multipart || other.multipart,
            json: self.json || other.json,
            framed: self.framed || other.framed,
            coding: self.coding,
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
        self.field_by(&mut Masking::Alike, name, value.as_bytes())
    }

    /// The same, with what it takes out kept.
    pub fn field_kept<'v>(&self, kept: &mut Kept, name: &HeaderName, value: &'v [u8]) -> Cow<'v, [u8]> {
        self.field_by(&mut Masking::Numbered(kept), name, value)
    }

    fn field_by<'v>(&self, masking: &mut Masking<'_>, name: &HeaderName, value: &'v [u8]) -> Cow<'v, [u8]> {
        if self.config.headers.contains(name) {
            return masking.of(value, mask::Text::Words);
        }
        // fields that hold the URL of a request, or of the next
        let has_url = [header::REFERER, header::LOCATION, header::CONTENT_LOCATION].contains(name);
        let value = if has_url { self.query(masking, value) } else { Cow::Borrowed(value) };
        self.patterns.replace(masking, value)
    }

    /// A path with its query, or a whole URL.
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, [u8]> {
        self.path_by(&mut Masking::Alike, path.as_bytes())
    }

    /// The same, with what it takes out kept.
    pub fn path_kept<'p>(&self, kept: &mut Kept, path: &'p [u8]) -> Cow<'p, [u8]> {
        self.path_by(&mut Masking::Numbered(kept), path)
    }

    fn path_by<'p>(&self, masking: &mut Masking<'_>, path: &'p [u8]) -> Cow<'p, [u8]> {
        let path = self.query(masking, path);
        self.patterns.replace(masking, path)
    }

    /// What a filter or the agent says in words.
    pub fn words<'w>(&self, text: &'w str) -> Cow<'w, [u8]> {
        self.patterns.replace(&mut Masking::Alike, Cow::Borrowed(text.as_bytes()))
    }

    fn query<'u>(&self, masking: &mut Masking<'_>, url: &'u [u8]) -> Cow<'u, [u8]> {
        let begins = url.iter().position(|byte| *byte == b'?');
        let (Some(at), false) = (begins, self.config.query.is_empty()) else { return Cow::Borrowed(url) };
        let (before, rest) = url.split_at(at + 1);
        let ends = rest.iter().position(|byte| *byte == b'#').unwrap_or(rest.len());
        match form::redact(&rest[..ends], &self.config.query, masking) {
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
        let alike = &mut Masking::Alike;
        let data = |line: &&[u8]| line.starts_with(b"data");
        let mut all = lines.split(|byte| matches!(byte, b'\n' | b'\r'));
        let (one, another) = (all.clone().find(data), all.by_ref().filter(data).nth(1));
        let (Some(one), None, false) = (one, another, self.config.json.is_empty()) else {
            return match (another, self.config.json.is_empty()) {
                // JSON over several lines is in nobody's order here
                (Some(_), false) => Redacted::Withheld,
                _ => self.plain(alike, &Kind::default(), lines, is_cut),
            };
        };
        let colon = one.iter().position(|byte| *byte == b':').map_or(one.len(), |colon| colon + 1);
        let begins = one.as_ptr() as usize - lines.as_ptr() as usize + colon;
        let (before, rest) = lines.split_at(begins);
        let (value, after) = rest.split_at(one.len() - colon);
        let value = match self.plain(alike, &Kind::default(), value.trim_ascii_start(), is_cut && after.is_empty()) {
            Redacted::Withheld => return Redacted::Withheld,
            Redacted::Same => return self.plain(alike, &Kind::default(), lines, is_cut),
            Redacted::Other(value, _) => value,
        };
        let words = |part: &[u8]| self.patterns.replace(&mut Masking::Alike, Cow::Owned(part.to_vec())).into_owned();
        let mut event = [words(before), value, words(after)].concat();
        if is_cut && !after.is_empty() {
            self.give_up_end(&mut event);
        }
        Redacted::Other(event, is_cut)
    }

    /// What was captured of a body; `is_cut` where there was more of it.
    pub fn body(&self, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        self.body_by(&mut Masking::Alike, kind, captured, is_cut)
    }

    /// The same, with what it takes out kept. Where that is more than is kept, it is withheld.
    pub fn body_kept(&self, kept: &mut Kept, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let redacted = self.body_by(&mut Masking::Numbered(kept), kind, captured, is_cut);
        if kept.is_full() { Redacted::Withheld } else { redacted }
    }

    /// A body that goes as this kind, without its codings; none where nobody can undo them, or it is too long without them.
    pub fn decoded(&self, kind: &Kind, body: &[u8]) -> Option<Bytes> {
        match &kind.coding {
            Coding::Plain => Some(Bytes::copy_from_slice(body)),
            Coding::Known(codings) => {
                let undone = codings.undo(Bytes::copy_from_slice(body), MOST_DECODED).ok()?;
                undone.complete.then(|| undone.bytes.into())
            }
            Coding::Unknown => None,
        }
    }

    fn body_by(&self, masking: &mut Masking<'_>, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        if captured.is_empty() || !self.looks_into_bodies() {
            return Redacted::Same;
        }
        match &kind.coding {
            Coding::Plain => self.plain(masking, kind, captured, is_cut),
            Coding::Known(codings) => self.coded(masking, (codings, kind), captured, is_cut),
            Coding::Unknown => Redacted::Withheld,
        }
    }

    /// What is in the codings is looked into, and coded again where it was changed, or was not seen to its end: what is left in the
    /// coded bytes then, nobody has looked at.
    fn coded(
        &self,
        masking: &mut Masking<'_>,
        (codings, kind): (&Codings, &Kind),
        captured: &[u8],
        is_cut: bool,
    ) -> Redacted {
        let Ok(undone) = codings.undo(Bytes::copy_from_slice(captured), MOST_DECODED) else {
            return Redacted::Withheld;
        };
        let is_cut = is_cut || !undone.complete;
        let (mut text, mut is_cut) = match self.plain(masking, kind, &undone.bytes, is_cut) {
            Redacted::Withheld => return Redacted::Withheld,
            // the frame of a coding has room for texts of its own, such as the name of a file
            Redacted::Same if !is_cut && !self.patterns.fit(captured) => return Redacted::Same,
            Redacted::Same => (undone.bytes, is_cut),
            Redacted::Other(text, is_cut) => (text, is_cut),
        };
        loop {
            match codings.redo(&text) {
                Ok(coded) if coded.len() <= captured.len() * GROWTH + SOME => return Redacted::Other(coded, is_cut),
                Ok(_) if !text.is_empty() => (text, is_cut) = (text[..text.len() / 2].to_vec(), true),
                _ => return Redacted::Withheld,
            }
        }
    }

    /// Without codings.
    fn plain(&self, masking: &mut Masking<'_>, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let RedactConfig { json, form, patterns, .. } = &self.config;
        if captured.is_empty() || !self.looks_into_bodies() {
            return Redacted::Same;
        }
        if kind.multipart && !form.is_empty() || kind.framed && !json.is_empty() {
            return Redacted::Withheld;
        }
        let mut body = Cow::Borrowed(captured);
        if kind.form
            && let Some(redacted) = form::redact(&body, form, masking)
        {
            body = Cow::Owned(redacted);
        }
        // also of what says that it is a form: who reads it may not believe that
        if !json.is_empty() && (kind.json || json::looks_like_it(&body)) {
            match json::redact(&body, json, masking) {
                Ok(Some(redacted)) => body = Cow::Owned(redacted),
                Ok(None) => {}
                Err(json::Malformed) => return Redacted::Withheld,
            }
        }
        if !patterns.is_empty() {
            body = self.patterns.replace(masking, body);
            if is_cut {
                self.give_up_end(body.to_mut());
            }
        }
        match body {
            Cow::Borrowed(_) => Redacted::Same,
            Cow::Owned(body) => Redacted::Other(body, is_cut),
        }
    }

    /// What began before a cut and would have been found is not to be left half.
    fn give_up_end(&self, text: &mut Vec<u8>) {
        if !self.config.patterns.is_empty() {
            text.truncate(text.len().saturating_sub(pattern::LONGEST));
        }
    }
}

#[cfg(test)]
mod tests;
