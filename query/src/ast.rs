//! What a query asks, as a tree. Built by the parser only; public so that a store can compile it to SQL.
//!
//! To compile: a [`Term`] about a field that an exchange does not have is false, not unknown, so SQL needs
//! `COALESCE(…, FALSE)` round each term, else `NOT` of it goes wrong.

use crate::Pattern;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// All of them hold: two or more, none of them an `And`.
    And(Vec<Expr>),
    /// One of them holds: two or more, none of them an `Or`.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A field has a value.
    Term(Term),
}

/// One `field:value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A text field fits a pattern.
    Text(Text, Pattern),
    /// The media type (Content-Type up to `;`) fits.
    Type(MediaType),
    /// One of the request's values of a header field fits.
    Header {
        /// Lower case.
        name: String,
        /// Case counts.
        value: Pattern,
    },
    /// The name of one of the filters that took part fits.
    Filter(Pattern),
    /// `FILTER.NAME` or `FILTER.NAME=VALUE` of one of the tags fits.
    Tag(Pattern),
    /// A number lies in a range.
    Number(Number, Range),
}

/// Fields of text, one value each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Text {
    /// Host without port, brackets and closing dot; see [`crate::bare_host`].
    Host,
    /// Path as received, without `?` and what follows. Case counts.
    Path,
    /// Request method.
    Method,
    /// `http` or `https`.
    Scheme,
    /// Who the client proved to be. Case counts.
    User,
    /// How the client came in: forward, connect, socks5, transparent or reverse.
    Entry,
    /// Id or name of the agent.
    Agent,
    /// Why it failed.
    Error,
    /// complete, client-gone, upstream-failed, filter-answered, filter-failed, refused, upgraded or shut-down.
    Outcome,
    /// The exchange's own UUID.
    Id,
}

/// Fields of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// Status of the response the client got.
    Status,
    /// Bytes of the response body.
    Size,
    /// Microseconds from the first byte of the request to the end of the response.
    Duration,
}

/// Numbers from `low` to `high`, both within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least that fits.
    pub low: u64,
    /// The greatest that fits; `u64::MAX` when there is none.
    pub high: u64,
}

impl Range {
    /// Is the number in the range?
    pub fn contains(self, number: u64) -> bool {
        (self.low..=self.high).contains(&number)
    }
}

/// `type:` with a whole media type (`image/*`) or a word of one (`json`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    pub(crate) written: Pattern,
    any: Vec<Pattern>,
}

impl MediaType {
    pub(crate) fn new(written: Pattern) -> Self {
        let any = if written.pieces().any(|piece| piece.contains('/')) {
            vec![written.clone()]
        } else {
            // `json` is a top-level type, a subtype, or a structured suffix (RFC 6838 section 4.2.8).
            vec![written.between("", "/*"), written.between("*/", ""), written.between("*+", "")]
        };
        Self { written, any }
    }

    /// The media type has to fit one of these.
    pub fn any(&self) -> &[Pattern] {
        &self.any
    }
}

pub(crate) const ALL_FIELDS: &str = "host, path, method, status, scheme, type, size, duration, header.NAME, user, \
                                     agent, filter, tag, error, outcome, id, entry";
pub(crate) const REQUEST_FIELDS: &str = "host, path, method, scheme, header.NAME, user, entry";

impl Text {
    pub(crate) const ALL: [(Self, &str); 10] = [
        (Self::Host, "host"),
        (Self::Path, "path"),
        (Self::Method, "method"),
        (Self::Scheme, "scheme"),
        (Self::User, "user"),
        (Self::Entry, "entry"),
        (Self::Agent, "agent"),
        (Self::Error, "error"),
        (Self::Outcome, "outcome"),
        (Self::Id, "id"),
    ];

    /// As in a query.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Upper and lower case are the same in this field; its patterns are in lower case.
    pub fn ignores_case(self) -> bool {
        !matches!(self, Self::Path | Self::User)
    }

    /// The only values there are, where they are few.
    pub(crate) fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Scheme => Some(&["http", "https"]),
            Self::Entry => Some(&["forward", "connect", "socks5", "transparent", "reverse"]),
            Self::Outcome => Some(&[
                "complete",
                "client-gone",
                "upstream-failed",
                "filter-answered",
                "filter-failed",
                "refused",
                "upgraded",
                "shut-down",
            ]),
            _ => None,
        }
    }

    fn at_request(self) -> bool {
        matches!(self, Self::Host | Self::Path | Self::Method | Self::Scheme | Self::User | Self::Entry)
    }
}

impl Number {
    pub(crate) const ALL: [(Self, &str); 3] =
        [(Self::Status, "status"), (Self::Size, "size"), (Self::Duration, "duration")];

    /// As in a query.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl Term {
    pub(crate) fn at_request(&self) -> bool {
        match self {
            Self::Text(field, _) => field.at_request(),
            Self::Header { .. } => true,
            Self::Type(_) | Self::Filter(_) | Self::Tag(_) | Self::Number(..) => false,
        }
    }
}

impl Expr {
    /// Joins by `and`; nested ones are taken apart.
    pub(crate) fn and(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::And, |expr| match expr {
            Self::And(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Joins by `or`; nested ones are taken apart.
    pub(crate) fn or(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::Or, |expr| match expr {
            Self::Or(inner) => Ok(inner),
            other => Err(other),
        })
    }

    fn join(parts: Vec<Self>, wrap: fn(Vec<Self>) -> Self, open: fn(Self) -> Result<Vec<Self>, Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match open(part) {
                Ok(inner) => flat.extend(inner),
                Err(single) => flat.push(single),
            }
        }
        match flat.len() {
            1 => flat.remove(0),
            _ => wrap(flat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_enums() {
        for (field, name) in Text::ALL {
            assert_eq!(field.name(), name);
            assert!(ALL_FIELDS.contains(name));
            assert_eq!(field.at_request(), REQUEST_FIELDS.contains(name), "{name}");
        }
        for (field, name) in Number::ALL {
            assert_eq!(field.name(), name);
        }
    }
}
