//! The one query grammar: `host:api.example.com status:5xx -method:GET`. It searches stored traffic, follows live
//! traffic and says which exchanges a filter meets. Text goes in, a checked [`Query`] comes out, which is compiled to
//! SQL (through [`Expr`]) or asked about one exchange ([`Query::matches`]). No I/O; knows no HTTP library and no store.
//!
//! ```text
//! query   = [ or ]                         nothing fits everything
//! or      = and *( "or" and )
//! and     = not *( [ "and" ] not )         terms side by side are joined by and
//! not     = *( "not" / "-" ) ( "(" or ")" / term )
//! term    = field ":" value                value = *( character / "\" any / DQUOTE *( character / "\" any ) DQUOTE )
//! ```
//!
//! | field | fits | request only |
//! |---|---|---|
//! | `host:example.com`, `host:*.example.com` | host without port, case ignored; the second its subdomains only | yes |
//! | `path:/admin*` | path as received, nothing decoded, without `?` and what follows it | yes |
//! | `method:GET` `scheme:https` | case ignored | yes |
//! | `header.x-foo:bar` | one of the values of a request field | yes |
//! | `user:ann` | who the client proved to be | yes |
//! | `entry:socks5` | forward, connect, socks5, transparent, reverse | yes |
//! | `status:404` `status:5xx` `status:200..299` `status:>=400` | status of the response | |
//! | `type:json` `type:image/*` | Content-Type: a word of it (`type:json` fits `application/hal+json`), or all of it | |
//! | `size:>1MB` `size:1KiB..2KiB` | bytes of the response body; B, kB, MB, GB and KiB, MiB, GiB | |
//! | `duration:>200ms` | first request byte to last response byte; us, ms, s, m | |
//! | `outcome:filter-failed` `error:*refused*` | how it ended | |
//! | `filter:block` | a filter that took part | |
//! | `tag:jwt-auth.user` `tag:geo.country=DE` | what a filter said of it: the name, or name and value; case counts | |
//! | `agent:edge-1` `id:0199…` | who carried it, and its own id | |
//!
//! `*` stands for any run of characters, also inside quotes; `\*` for a star. A field that an exchange does not have
//! fits nothing, so `-status:5xx` is true of an exchange without a response, and `user:*` of one with a user.
#![deny(missing_docs)]

mod ast;
mod error;
mod lex;
mod matching;
mod parse;
mod pattern;
mod print;
mod value;

use std::{fmt, str::FromStr};

pub use ast::{Expr, MediaType, Number, Range, Term, Text};
pub use error::QueryError;
pub use matching::{Subject, bare_host};
pub use pattern::Pattern;

/// Longest query, bytes.
pub const MAX_BYTES: usize = 4 << 10;
/// Deepest nesting of `( )`, `not` and `-`.
pub const MAX_DEPTH: usize = 32;

/// A query that parsed. Two are equal when they ask the same in the same order, however they were written.
#[derive(Debug, Clone, Default)]
pub struct Query {
    expr: Option<Expr>,
    /// The first field that is not there yet when only the request head is, with its column.
    beyond_request: Option<(usize, String)>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// The column of the fault and what was expected there.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::parse(text)
    }

    /// What it asks; none when everything fits.
    pub fn expr(&self) -> Option<&Expr> {
        self.expr.as_ref()
    }

    /// Does the exchange fit? Allocates nothing.
    pub fn matches(&self, subject: &impl Subject) -> bool {
        self.expr.as_ref().is_none_or(|expr| expr.matches(subject))
    }

    /// Can it be answered as soon as the request head is there? A filter's `match` has to be.
    ///
    /// # Errors
    /// The first field that cannot.
    pub fn request_only(&self) -> Result<(), QueryError> {
        match &self.beyond_request {
            None => Ok(()),
            Some((column, field)) => Err(QueryError::new(
                *column,
                format!(
                    "`{field}` is not known when the request arrives: a filter's match takes {}",
                    ast::REQUEST_FIELDS
                ),
            )),
        }
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
