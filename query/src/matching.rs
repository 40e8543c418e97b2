//! One exchange meets a query. The agent asks this on every request, so nothing here allocates, but for long literals
//! between stars.

use crate::{Did, Expr, Is, Match, Number, Side, Term, Text};

/// What can be asked about: an exchange, stored or in progress. What it says nothing of, it does not have (yet).
pub trait Subject {
    /// Does one of the field's values fit? Most fields have one, or none.
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool;

    /// Does one of the message's values of this header field fit? `name` is in lower case.
    fn any_header(&self, side: Side, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool;

    /// Is it so?
    fn is(&self, what: Is) -> bool;

    /// The field's value.
    fn number(&self, field: Number) -> Option<u64> {
        let _ = field;
        None
    }

    /// When it began, milliseconds since the Unix epoch.
    fn began_ms(&self) -> Option<u64> {
        None
    }

    /// Does one of the bodies fit?
    fn any_body(&self, side: Side, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let _ = (side, fits);
        false
    }

    /// Does one of the filters that took part fit, by its name, its verdict and whether it changed something?
    fn any_filter(&self, fits: &mut dyn FnMut(&str, &str, bool) -> bool) -> bool {
        let _ = fits;
        false
    }

    /// Does one of its tags fit, as `FILTER.NAME` or as `FILTER.NAME=VALUE`?
    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        let _ = fits;
        false
    }
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
            Self::Text(field, how) => subject.any_text(*field, &mut |value| {
                let value = match field {
                    Text::Host => bare_host(value),
                    Text::Path => before(value, '?'),
                    Text::Type => before(value, ';').trim_matches([' ', '\t']),
                    _ => value,
                };
                how.matches(value.as_bytes())
            }),
            Self::Header { side, name, value } => subject.any_header(*side, name, &mut |bytes| value.matches(bytes)),
            Self::Body(side, how) => subject.any_body(*side, &mut |bytes| how.matches(bytes)),
            Self::Filter { name, did } => subject.any_filter(&mut |filter, verdict, changed| {
                name.matches(filter.as_bytes()) && did.is_none_or(|did| did.fits(verdict, changed))
            }),
            Self::Tag(how) => subject.any_tag(&mut |tag| how.matches(tag.as_bytes())),
            Self::Number(field, range) => subject.number(*field).is_some_and(|number| range.contains(number)),
            Self::Is(what) => subject.is(*what),
            Self::Began(when) => subject.began_ms().is_some_and(|ms| when.contains(ms)),
        }
    }
}

impl Match {
    /// Does it fit?
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(value),
            Self::OneOf(several) => several.any.iter().any(|pattern| pattern.matches(value)),
            Self::Regex(regex) => regex.matches(value),
        }
    }

    /// The only text that fits, when it is one.
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Pattern(pattern) => pattern.literal(),
            Self::OneOf(_) | Self::Regex(_) => None,
        }
    }
}

impl Did {
    fn fits(self, verdict: &str, changed: bool) -> bool {
        if self == Self::Changed { changed } else { self.name() == verdict }
    }
}

fn before(text: &str, mark: char) -> &str {
    text.split_once(mark).map_or(text, |(head, _)| head)
}
