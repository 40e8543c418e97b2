//! Trees in, text out that parses to the same tree.

use std::fmt::{self, Display, Write as _};

use crate::{Expr, Number, Pattern, Range, Term};

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Or(parts) => joined(f, parts, " or ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) => {
                f.write_char('-')?;
                nested(f, inner, matches!(**inner, Self::And(_) | Self::Or(_)))
            }
            Self::Term(term) => term.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], by: &str, nests: fn(&Expr) -> bool) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(by)?;
        }
        nested(f, part, nests(part))?;
    }
    Ok(())
}

fn nested(f: &mut fmt::Formatter<'_>, expr: &Expr, nests: bool) -> fmt::Result {
    if nests { write!(f, "({expr})") } else { expr.fmt(f) }
}

impl Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(field, pattern) => write!(f, "{}:{pattern}", field.name()),
            Self::Type(media) => write!(f, "type:{}", media.written),
            Self::Header { name, value } => write!(f, "header.{name}:{value}"),
            Self::Filter(pattern) => write!(f, "filter:{pattern}"),
            Self::Tag(pattern) => write!(f, "tag:{pattern}"),
            Self::Number(field, range) => number(f, *field, *range),
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, field: Number, Range { low, high }: Range) -> fmt::Result {
    let unit = if field == Number::Duration { "us" } else { "" };
    let name = field.name();
    match (low, high) {
        _ if low == high => write!(f, "{name}:{low}{unit}"),
        (low, u64::MAX) => write!(f, "{name}:>={low}{unit}"),
        (0, high) => write!(f, "{name}:<={high}{unit}"),
        _ => write!(f, "{name}:{low}{unit}..{high}{unit}"),
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quotes = self.literal() == Some("")
            || self.pieces().any(|piece| piece.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')')));
        let quote = if quotes { "\"" } else { "" };
        f.write_str(quote)?;
        for (index, piece) in self.pieces().enumerate() {
            if index > 0 {
                f.write_char('*')?;
            }
            for c in piece.chars() {
                if matches!(c, '*' | '"' | '\\') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
        }
        f.write_str(quote)
    }
}
