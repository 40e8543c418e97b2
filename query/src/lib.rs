//! The one query grammar: `host:api.example.com status:5xx -method:GET`. It searches stored traffic, follows live
//! traffic and says which exchanges a filter meets. Text goes in, a checked [`Query`] comes out, which is compiled to
//! SQL (through [`Expr`]) or asked about one exchange ([`Query::matches`]). No I/O but the time of day; knows no HTTP
//! library and no store.
//!
//! `docs/query.md` says what may be written and what it means; its examples are tests of this crate.
//!
//! ```text
//! query   = [ or ]                         nothing fits everything
//! or      = and *( "or" and )
//! and     = not *( [ "and" ] not )         terms side by side are joined by and
//! not     = *( "not" / "-" ) ( "(" or ")" / term )
//! term    = field ":" value / field "~" regex / value
//! value   = *( character / "\" any / DQUOTE *( character / "\" any ) DQUOTE )
//! regex   = *( character / "\" any ) / DQUOTE *( character / "\" any ) DQUOTE
//! ```
#![deny(missing_docs)]

mod ast;
mod error;
mod field;
mod hint;
mod lex;
mod matching;
mod needed;
mod number;
mod parse;
mod pattern;
mod print;
mod regex;
mod value;
mod when;

use std::{
    fmt,
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

pub use ast::{Began, Expr, Match, OneOf, Range, Term};
pub use error::QueryError;
pub use field::{Did, Is, Moment, Number, Side, Text};
pub use matching::{Subject, bare_host};
pub use pattern::Pattern;
pub use regex::Regex;

/// Longest query, bytes.
pub const MAX_BYTES: usize = 4 << 10;
/// Deepest nesting of `( )`, `not` and `-`.
pub const MAX_DEPTH: usize = 32;
/// Most terms.
pub const MAX_TERMS: usize = 512;
/// Most regular expressions among them.
pub const MAX_REGEXES: usize = 8;

/// A query that parsed. Two are equal when they ask the same in the same order, however they were written.
#[derive(Debug, Clone, Default)]
pub struct Query {
    expr: Option<Expr>,
    /// The first term that may not be there at each moment, with its column.
    beyond: [Option<(usize, Beyond)>; 2],
}

/// What may not be asked of an exchange that is on its way.
#[derive(Debug, Clone)]
enum Beyond {
    /// It is not there yet.
    Field(String),
    /// A word without a field.
    Word,
}

impl Query {
    /// Reads a query. `-15m` and the like are counted from now.
    ///
    /// # Errors
    /// The column of the fault and what was expected there.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::parse_at(text, u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a query; `-15m` and the like are counted from `now_ms`, milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The column of the fault and what was expected there.
    pub fn parse_at(text: &str, now_ms: u64) -> Result<Self, QueryError> {
        parse::parse(text, now_ms)
    }

    /// What it asks; none when everything fits.
    pub fn expr(&self) -> Option<&Expr> {
        self.expr.as_ref()
    }

    /// Does it ask for a header field with a name like this (lower case)?
    pub fn asks_for_header(&self, is_meant: &dyn Fn(&str) -> bool) -> bool {
        self.expr.as_ref().is_some_and(|expr| expr.asks_for_header(is_meant))
    }

    /// Does the exchange fit?
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.expr.as_ref().is_none_or(|expr| expr.matches(subject))
    }

    /// Can it be answered as soon as the request head is there? A filter's `match` has to be, and may have no words
    /// without a field: there a misspelt field would pass for one.
    ///
    /// # Errors
    /// The first term that cannot.
    pub fn request_only(&self) -> Result<(), QueryError> {
        self.answerable(Moment::Request, "a filter's match")
    }

    /// Can `who`, a breakpoint or the like, have it answered at that moment? No words without a field here either.
    ///
    /// # Errors
    /// The first term that cannot.
    pub fn answerable(&self, moment: Moment, who: &str) -> Result<(), QueryError> {
        let Some((column, what)) = &self.beyond[moment as usize] else { return Ok(()) };
        let (arrives, more) = match moment {
            Moment::Request => ("request", String::new()),
            Moment::Response => ("response", format!(", {}", field::RESPONSE_FIELDS)),
        };
        let why = match what {
            Beyond::Field(field) => format!("`{field}` is not known when the {arrives} arrives"),
            Beyond::Word => "a word without a field says too little here; `url:*WORD*` says it".to_owned(),
        };
        Err(QueryError::new(*column, format!("{why}: {who} takes {}{more}", field::REQUEST_FIELDS)))
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

impl Eq for Query {}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

/// A query that parses to an equal one.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.as_ref().map_or(Ok(()), |expr| expr.fmt(f))
    }
}
