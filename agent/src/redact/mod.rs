//! What is not recorded. Rules of the operator or a publisher enter, then heads, bodies and trailers as they passed; copies
//! leave in which a marker stands for each value that a rule names. What passes is not touched. Where a body cannot be
//! looked into as the rules ask, it is not recorded at all: a secret must not leave because its place was not understood.

mod body;
mod calls;
mod escapes;
mod form;
mod json;
mod kind;
mod mask;
mod multipart;
mod pattern;
mod places;
mod pointer;
mod trailers;

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header};

pub use body::Decodable;
pub use kind::Kind;
pub use mask::{Kept, Restored, markers, unnumbered};
pub use pattern::Pattern;
pub use pointer::Pointer;

use mask::Masking;
use pattern::Patterns;
use places::Places;

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
    places: Places,
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

impl Rules {
    /// None where nothing is to be redacted.
    pub fn new(config: &RedactConfig) -> Option<Self> {
        let is_empty = *config == RedactConfig::default();
        (!is_empty).then(|| Rules {
            patterns: Patterns::new(&config.patterns),
            places: Places::new(config.json.clone()),
            config: config.clone(),
        })
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
        // fields that are the URL of a request, or of the next
        if [header::REFERER, header::LOCATION, header::CONTENT_LOCATION].contains(name) {
            return self.path_by(masking, value);
        }
        let without = match self.config.query.is_empty() {
            true => None,
            false => form::redact_urls(value, &self.config.query, masking),
        };
        self.patterns.replace(masking, without.map_or(Cow::Borrowed(value), Cow::Owned))
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
        self.patterns.replace_in_form(masking, path)
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

    /// An event of a stream, its lines.
    pub fn event(&self, lines: &[u8], is_cut: bool) -> Redacted {
        let alike = &mut Masking::Alike;
        // a stream may begin with a mark that means nothing
        let data = |line: &&[u8]| line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).starts_with(b"data");
        let mut all = lines.split(|byte| matches!(byte, b'\n' | b'\r'));
        let (one, another) = (all.clone().find(data), all.by_ref().filter(data).nth(1));
        let (Some(one), None, false) = (one, another, self.config.json.is_empty()) else {
            return match (another, self.config.json.is_empty()) {
                // JSON over several lines is in nobody's order here
                (Some(_), false) => Redacted::Withheld,
                _ => self.document(alike, &Kind::default(), lines, is_cut),
            };
        };
        let colon = one.iter().position(|byte| *byte == b':').map_or(one.len(), |colon| colon + 1);
        let begins = one.as_ptr() as usize - lines.as_ptr() as usize + colon;
        let (before, rest) = lines.split_at(begins);
        let (value, after) = rest.split_at(one.len() - colon);
        let value = match self.document(alike, &Kind::default(), value.trim_ascii_start(), is_cut && after.is_empty()) {
            Redacted::Withheld => return Redacted::Withheld,
            Redacted::Same => return self.document(alike, &Kind::default(), lines, is_cut),
            Redacted::Other(value, _) => value,
        };
        let words = |part: &[u8]| self.patterns.replace(&mut Masking::Alike, Cow::Owned(part.to_vec())).into_owned();
        let mut event = [words(before), value, words(after)].concat();
        if is_cut && !after.is_empty() {
            self.give_up_end(&mut event);
        }
        Redacted::Other(event, is_cut)
    }
}

#[cfg(test)]
mod tests;
