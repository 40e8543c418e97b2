//! Trees in, text out that parses to the same tree.

use std::fmt::{self, Display, Write as _};

use crate::{Began, Expr, Match, Number, Pattern, Range, Term, when};

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
            Self::Text(field, how) => write!(f, "{}{how}", field.name()),
            Self::Header { side, name, value } => write!(f, "{}header.{name}{value}", side.prefix()),
            Self::Body(side, how) => write!(f, "{}body{how}", side.prefix()),
            Self::Filter { name, did: None } => write!(f, "filter{name}"),
            Self::Filter { name, did: Some(did) } => write!(f, "filter{name}={}", did.name()),
            Self::Tag(how) => write!(f, "tag{how}"),
            Self::Number(field, range) => number(f, *field, *range),
            Self::Is(is) => write!(f, "is:{}", is.name()),
            Self::Began(Began::After(ms)) => write!(f, "after:{}", when::written(*ms)),
            Self::Began(Began::Before(ms)) => write!(f, "before:{}", when::written(*ms)),
        }
    }
}

/// With the `:` or `~` in front.
impl Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => write!(f, ":{pattern}"),
            Self::OneOf(several) => write!(f, ":{}", several.written),
            Self::Regex(regex) => {
                f.write_str("~\"")?;
                let mut chars = regex.written().chars();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => f.write_str("\\\"")?,
                        // With what it escapes, which is no quotation mark: those come in without.
                        '\\' => chars.next().into_iter().try_fold(f.write_char(c)?, |(), next| f.write_char(next))?,
                        other => f.write_char(other)?,
                    }
                }
                f.write_char('"')
            }
        }
    }
}

fn number(f: &mut fmt::Formatter<'_>, field: Number, Range { low, high }: Range) -> fmt::Result {
    let unit = if field.is_time() { "us" } else { "" };
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
