//! The one fault a query can have: at a column, something else was expected. Whoever wrote the query is to blame.

/// Of the query, characters that are shown round the column.
const SHOWN: usize = 72;

/// Where a query is wrong and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("query, column {column}: {message}")]
pub struct QueryError {
    column: usize,
    message: String,
}

impl QueryError {
    pub(crate) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into() }
    }

    /// Counted in characters from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For people: the fault, the query (of a long one what is near), and a caret below the column. Three lines.
    pub fn shown(&self, query: &str) -> String {
        let chars: Vec<char> = query.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let at = (self.column - 1).min(chars.len());
        let begin = at.saturating_sub(SHOWN / 2).min(chars.len().saturating_sub(SHOWN));
        let end = chars.len().min(begin + SHOWN);
        let before = if begin > 0 { "…" } else { "" };
        let behind = if end < chars.len() { "…" } else { "" };
        let near: String = chars[begin..end].iter().collect();
        let space = " ".repeat(at - begin + usize::from(begin > 0));
        format!("{self}\n  {before}{near}{behind}\n  {space}^")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, column: usize, expect: &str) {
        let shown = QueryError::new(column, "x").shown(query);
        assert_eq!(shown.split_once('\n').unwrap().1, expect);
        let caret = shown.lines().nth(2).unwrap().chars().count() - 1;
        let under = shown.lines().nth(1).unwrap().chars().nth(caret);
        assert_eq!(under, query.chars().nth(column - 1).map(|c| if c.is_control() { ' ' } else { c }));
    }

    #[test]
    fn the_caret_is_below_the_column() {
        check("host:a hots:b", 8, "  host:a hots:b\n         ^");
        check("host:a\thots:b", 14, "  host:a hots:b\n               ^");
        check("", 1, "  \n  ^");
        let long = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        check(&long, 501, &format!("  …{}!{}…\n   {}^", "a".repeat(36), "b".repeat(35), " ".repeat(36)));
    }
}
