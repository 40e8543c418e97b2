//! One exchange meets a query. The agent asks this on every request, so nothing here allocates.

use crate::{Expr, Number, Term, Text};

/// What can be asked about: an exchange, stored or in progress.
pub trait Subject {
    /// The field's value; none when the exchange has none (yet).
    fn text(&self, field: Text) -> Option<&str>;

    /// The field's value; none when the exchange has none (yet).
    fn number(&self, field: Number) -> Option<u64>;

    /// Value of the response's Content-Type.
    fn content_type(&self) -> Option<&str>;

    /// Does one of the request's values of this header field fit? `name` is in lower case.
    fn any_header(&self, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool;

    /// Does the name of one of the filters that took part fit?
    fn any_filter(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Does one of its tags fit, as `FILTER.NAME` or as `FILTER.NAME=VALUE`?
    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// A host as queries see it: without the brackets of an IPv6 address and without the dot that may close a domain name,
/// so that `example.com.` is no way round `host:example.com`.
pub fn bare_host(host: &str) -> &str {
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    host.trim_end_matches('.')
}

impl Expr {
    /// Does it hold for this exchange?
    pub fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(subject)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(subject)),
            Self::Not(inner) => !inner.matches(subject),
            Self::Term(term) => term.matches(subject),
        }
    }
}

impl Term {
    /// Does the exchange have this value?
    pub fn matches(&self, subject: &impl Subject) -> bool {
        match self {
            Self::Text(field, pattern) => subject.text(*field).is_some_and(|value| {
                let value = match field {
                    Text::Host => bare_host(value),
                    Text::Path => before(value, '?'),
                    _ => value,
                };
                pattern.matches(value.as_bytes())
            }),
            Self::Type(media) => subject.content_type().is_some_and(|value| {
                let essence = before(value, ';').trim_ascii().as_bytes();
                media.any().iter().any(|pattern| pattern.matches(essence))
            }),
            Self::Header { name, value } => subject.any_header(name, &mut |bytes| value.matches(bytes)),
            Self::Filter(pattern) => subject.any_filter(&mut |name| pattern.matches(name.as_bytes())),
            Self::Tag(pattern) => subject.any_tag(&mut |tag| pattern.matches(tag.as_bytes())),
            Self::Number(field, range) => subject.number(*field).is_some_and(|number| range.contains(number)),
        }
    }
}

fn before(text: &str, mark: char) -> &str {
    text.split_once(mark).map_or(text, |(head, _)| head)
}
