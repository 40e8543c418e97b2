//! Queries as people type them. The server would say what is wrong too; said here, it is an error of usage, with the place below
//! the query, and saves the way.

use clap::Args;
use weir_query::Query;

use super::{failure::Failure, person};

/// What follows a query where the shell was not told that it is one argument.
#[derive(Debug, Args)]
pub(crate) struct Rest {
    #[arg(hide = true)]
    rest: Vec<String>,
}

impl Rest {
    /// Joined they would say something else than was typed: the shell took the quotes away.
    pub(crate) fn check(&self, query: &str) -> Result<(), Failure> {
        let [first, ..] = &self.rest[..] else { return check(query) };
        let whole = format!("{query} {}", self.rest.join(" ")).replace('\'', r"'\''");
        Err(Failure::Usage(format!(
            "a query is one argument, so quote it for the shell: '{}' (`{}` is one too many)",
            person::line(&whole),
            person::line(first)
        )))
    }
}

/// Refuses what is no query, and what is rather an option that there is not.
pub(crate) fn check(query: &str) -> Result<(), Failure> {
    if let Some(option) = option(query) {
        return Err(Failure::Usage(format!(
            "there is no option --{option} here (--help lists those there are); to look for the word, put it in quotes: \
             '\"--{option}\"'"
        )));
    }
    Query::parse(query).map(drop).map_err(|error| Failure::Usage(error.shown(query)))
}

/// What a query that begins with `-`, for not, would let pass: not not a word.
fn option(query: &str) -> Option<&str> {
    let name = query.strip_prefix("--")?;
    let name = name.split('=').next().unwrap_or(name);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_option_is_no_query() {
        for (text, expect) in [
            ("--folow", Some("folow")),
            ("--format=jsn", Some("format")),
            ("--host:a", None),
            ("-method:GET", None),
            ("--(a or b)", None),
            ("--a b", None),
            ("\"--folow\"", None),
            ("--", None),
        ] {
            assert_eq!(option(text), expect, "{text}");
        }
    }
}
