//! Regular expressions that take time in proportion to the text, whatever they are, and memory within a bound.

use regex::bytes::RegexBuilder;
use regex_syntax::{Parser, ParserBuilder};

use crate::{QueryError, lex::RegexText, needed};

/// Longest expression, bytes.
const LONGEST: usize = 1 << 10;
/// Of what it compiles to, and of what it may learn while it runs, bytes.
const COMPILED: usize = 256 << 10;
const LEARNT: usize = 1 << 20;
const NESTED: u32 = 32;

/// A regular expression. Two are equal when they were written the same.
#[derive(Debug, Clone)]
pub struct Regex {
    written: String,
    ignores_case: bool,
    compiled: regex::bytes::Regex,
}

impl Regex {
    pub(crate) fn new(text: &RegexText, ignores_case: bool) -> Result<Self, QueryError> {
        let RegexText { text: written, columns } = text;
        let column = |offset: usize| {
            let characters = written.char_indices().take_while(|(at, _)| *at < offset).count();
            columns.get(characters).or(columns.last()).copied().unwrap_or(1)
        };
        if written.len() > LONGEST {
            let message = format!("expected {LONGEST} bytes of regular expression at most, found {}", written.len());
            return Err(QueryError::new(column(0), message));
        }
        // Parsed first for the place of a fault, which the other crate does not tell.
        let parsed = parser(ignores_case).parse(written);
        if let Err(error) = parsed {
            let (at, what) = match &error {
                regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
                regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
                other => (0, other.to_string()),
            };
            return Err(QueryError::new(column(at), format!("regular expression: {what}")));
        }
        let compiled = RegexBuilder::new(written)
            .case_insensitive(ignores_case)
            .nest_limit(NESTED)
            .size_limit(COMPILED)
            .dfa_size_limit(LEARNT)
            .build()
            .map_err(|_| {
                QueryError::new(column(0), "this regular expression is too large: expected fewer repetitions")
            })?;
        Ok(Self { written: written.clone(), ignores_case, compiled })
    }

    /// As it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Texts that are, each somewhere, in whatever fits, in upper or lower case of ASCII: an index may lead to them. In lower
    /// case here. Takes some time.
    pub fn needed(&self) -> Vec<Vec<u8>> {
        parser(self.ignores_case).parse(&self.written).map(|hir| needed::texts(&hir)).unwrap_or_default()
    }

    /// Does some of the value fit?
    pub fn matches(&self, value: &[u8]) -> bool {
        self.compiled.is_match(value)
    }
}

fn parser(ignores_case: bool) -> Parser {
    ParserBuilder::new().utf8(false).case_insensitive(ignores_case).nest_limit(NESTED).build()
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written && self.ignores_case == other.ignores_case
    }
}

impl Eq for Regex {}
