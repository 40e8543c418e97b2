//! What a query asks, as a tree. Built by the parser only; public so that a store can compile it to SQL.
//!
//! To compile: a [`Term`] about a field that an exchange does not have is false, not unknown, so SQL needs
//! `COALESCE(…, FALSE)` round each term, else `NOT` of it goes wrong.

use crate::{Did, Is, Moment, Number, Pattern, Regex, Side, Text};

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

/// One `field:value` or `field~regex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A text field fits.
    Text(Text, Match),
    /// One of the values of a header field fits.
    Header {
        /// Of which message.
        side: Side,
        /// Lower case.
        name: String,
        /// Case counts.
        value: Match,
    },
    /// A body, as far as it was kept, fits.
    Body(Side, Match),
    /// One of the filters that took part fits.
    Filter {
        /// Its name.
        name: Match,
        /// And it did this.
        did: Option<Did>,
    },
    /// `FILTER.NAME` or `FILTER.NAME=VALUE` of one of the tags fits.
    Tag(Match),
    /// A number lies in a range.
    Number(Number, Range),
    /// It is so.
    Is(Is),
    /// It began within these bounds.
    Began(Began),
}

impl Expr {
    pub(crate) fn asks_for_header(&self, is_meant: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.asks_for_header(is_meant)),
            Self::Not(inner) => inner.asks_for_header(is_meant),
            Self::Term(Term::Header { name, .. }) => is_meant(name),
            Self::Term(_) => false,
        }
    }

    /// Terms in it, each way of writing one counted.
    pub fn terms(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::terms).sum(),
            Self::Not(inner) => inner.terms(),
            Self::Term(_) => 1,
        }
    }
}

/// How a text has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The whole of it fits.
    Pattern(Pattern),
    /// The whole of it fits one of several that were written as one.
    OneOf(OneOf),
    /// Some of it fits.
    Regex(Regex),
}

/// What one short form stands for: `type:json` for three patterns of a media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOf {
    pub(crate) written: Pattern,
    pub(crate) any: Vec<Pattern>,
}

impl OneOf {
    /// One of these has to fit.
    pub fn any(&self) -> &[Pattern] {
        &self.any
    }
}

/// When an exchange began, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// Then or later.
    After(u64),
    /// Earlier.
    Before(u64),
}

impl Began {
    /// Is this moment within?
    pub fn contains(self, ms: u64) -> bool {
        match self {
            Self::After(from) => ms >= from,
            Self::Before(end) => ms < end,
        }
    }
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

impl Term {
    /// Is it known then?
    pub(crate) fn known_at(&self, moment: Moment) -> bool {
        match self {
            Self::Text(field, _) => field.known_at(moment),
            Self::Header { side, .. } => moment == Moment::Response || side.has_request(),
            Self::Is(is) => is.is_of_request(),
            Self::Number(Number::Status, _) => moment == Moment::Response,
            Self::Body(..) | Self::Filter { .. } | Self::Tag(_) | Self::Number(..) | Self::Began(_) => false,
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
