//! An expression becomes a condition in SQL, with what it compares to as parameters. Pure: no database is asked.

use std::borrow::Cow;

use weir_query::{Began, Expr, Is, Match, Number, Pattern, Query, Range, Term, Text};

use super::{
    super::{dialect::Dialect, exchanges::outcome, signed},
    plain,
};

/// Outcomes that agents tell; those of later versions have no word here.
pub(in super::super) const OUTCOMES: std::ops::Range<i32> = 0..8;

/// Of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Part {
    Sql(Cow<'static, str>),
    Text(String),
    Number(i64),
    Id(u128),
}

/// The first id that may have been made in this millisecond (RFC 9562 section 5.7).
pub(super) fn first_of(ms: u64) -> u128 {
    if ms >> 48 > 0 { u128::MAX } else { u128::from(ms) << 80 }
}

/// Do the columns say all of it?
pub(super) fn is_exact(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(is_exact),
        Expr::Not(inner) => is_exact(inner),
        Expr::Term(term) => match term {
            Term::Text(Text::Outcome, _) | Term::Number(..) | Term::Began(_) => true,
            Term::Text(_, how) => plain::is_plain(how),
            // A star must not reach from one name to the next.
            Term::Filter { name, did: None } => name.literal().is_some() && plain::is_plain(name),
            Term::Is(is) => matches!(is, Is::Error | Is::Answered | Is::H2 | Is::Tls | Is::Replay),
            Term::Header { .. } | Term::Body(..) | Term::Tag(_) | Term::Filter { .. } => false,
        },
    }
}

/// What the columns can say of it: holds wherever the expression does.
pub(super) fn weaker(expr: &Expr) -> Option<Expr> {
    if is_exact(expr) {
        return Some(expr.clone());
    }
    match expr {
        Expr::And(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(weaker).collect();
            (!parts.is_empty()).then_some(Expr::And(parts))
        }
        Expr::Or(parts) => parts.iter().map(weaker).collect::<Option<Vec<_>>>().map(Expr::Or),
        Expr::Term(Term::Is(Is::Websocket)) => Query::parse("outcome:upgraded").ok()?.expr().cloned(),
        Expr::Term(Term::Filter { name, did: Some(_) }) => {
            weaker(&Expr::Term(Term::Filter { name: name.clone(), did: None }))
        }
        Expr::Not(_) | Expr::Term(_) => None,
    }
}

/// The condition; of what is not exact, `TRUE`.
pub(super) fn of(expr: &Expr, dialect: Dialect) -> Vec<Part> {
    let mut writer = Writer { parts: Vec::new(), dialect };
    writer.expr(expr);
    writer.parts
}

struct Writer {
    parts: Vec<Part>,
    dialect: Dialect,
}

impl Writer {
    fn sql(&mut self, sql: impl Into<Cow<'static, str>>) {
        self.parts.push(Part::Sql(sql.into()));
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::And(parts) => self.joined(" AND ", parts, Self::expr),
            Expr::Or(parts) => self.joined(" OR ", parts, Self::expr),
            Expr::Not(inner) => {
                self.sql("NOT ");
                self.expr(inner);
            }
            Expr::Term(term) => self.term(term),
        }
    }

    fn joined<T>(&mut self, with: &'static str, parts: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.sql("(");
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                self.sql(with);
            }
            write(self, part);
        }
        self.sql(")");
    }

    fn term(&mut self, term: &Term) {
        match term {
            Term::Text(field, how) => self.text(*field, how),
            Term::Number(field, range) => self.number(*field, *range),
            Term::Filter { name, .. } => {
                self.sql(format!("(0 < {}(' ' || e.filters, ", self.dialect.place()));
                self.parts.push(Part::Text(format!(" {} ", name.literal().unwrap_or_default())));
                self.sql("))");
            }
            Term::Began(Began::After(ms)) => self.ids((first_of(*ms), u128::MAX)),
            Term::Began(Began::Before(ms)) => self.ids((0, first_of(*ms))),
            Term::Is(is) => self.sql(match is {
                Is::Error => "(e.error <> '')",
                Is::Answered => "(e.outcome = 3)",
                Is::H2 => "(e.version = 'HTTP/2')",
                Is::Tls => "(lower(e.scheme) = 'https')",
                Is::Replay => "(e.replay_of IS NOT NULL)",
                Is::Websocket | Is::Changed | Is::Truncated | Is::Intercepted | Is::Edited => "TRUE",
            }),
            // `is_exact` keeps them out.
            Term::Header { .. } | Term::Body(..) | Term::Tag(_) => self.sql("TRUE"),
        }
    }

    fn ids(&mut self, (least, beyond): (u128, u128)) {
        self.sql("(e.id >= ");
        self.parts.push(Part::Id(least));
        self.sql(" AND e.id < ");
        self.parts.push(Part::Id(beyond));
        self.sql(")");
    }

    fn number(&mut self, field: Number, range: Range) {
        let column = match field {
            Number::Status => "e.status",
            Number::Size => "CASE WHEN e.status IS NULL THEN NULL ELSE e.response_bytes END",
            Number::RequestSize => "e.request_bytes",
            Number::Duration => "e.duration_us",
            Number::FirstByte => "nullif(e.first_byte_us, 0)",
        };
        // No column holds more than a signed number says.
        if i64::try_from(range.low).is_err() {
            return self.sql("FALSE");
        }
        self.sql(format!("coalesce({column} BETWEEN "));
        self.parts.push(Part::Number(signed(range.low)));
        self.sql(" AND ");
        self.parts.push(Part::Number(signed(range.high)));
        self.sql(", FALSE)");
    }

    fn text(&mut self, field: Text, how: &Match) {
        // What is not there is stored as an empty text.
        let column: Cow<'static, str> = match field {
            Text::Host => "nullif(e.host, '')".into(),
            Text::Path => self.dialect.before("e.path", '?').into(),
            Text::Url => "(CASE WHEN e.scheme = '' THEN '' ELSE e.scheme || '://' END || e.authority || e.path)".into(),
            Text::Method => "e.method".into(),
            Text::Scheme => "e.scheme".into(),
            Text::User => "nullif(e.\"user\", '')".into(),
            Text::Client => "nullif(e.client, '')".into(),
            Text::Entry => "nullif(e.entry, '')".into(),
            Text::Error => "nullif(e.error, '')".into(),
            Text::Type => format!(
                "CASE WHEN e.content_type = '' THEN NULL ELSE trim({}, ' \t') END",
                self.dialect.before("e.content_type", ';')
            )
            .into(),
            Text::Id => match plain::ids(how) {
                Some(run) => return self.ids(run),
                None => self.dialect.id_text("e.id").into(),
            },
            Text::Outcome => {
                let fit = OUTCOMES.filter(|number| outcome(*number).is_some_and(|word| how.matches(word.as_bytes())));
                let fit: Vec<_> = std::iter::once(-1).chain(fit).map(|number| number.to_string()).collect();
                return self.sql(format!("(e.outcome IN ({}))", fit.join(", ")));
            }
            Text::Agent => {
                let columns = ["a.name".to_owned(), self.dialect.id_text("a.id")];
                return self.joined(" OR ", &columns, |writer, column| writer.patterns(column, how));
            }
        };
        self.patterns(&column, how);
    }

    fn patterns(&mut self, column: &str, how: &Match) {
        self.joined(" OR ", plain::patterns(how), |writer, pattern| writer.pattern(column, pattern));
    }

    fn pattern(&mut self, column: &str, pattern: &Pattern) {
        let column = if pattern.ignores_case() { format!("lower({column})") } else { column.to_owned() };
        match pattern.literal() {
            Some(literal) => {
                self.sql(format!("coalesce({column} = "));
                self.parts.push(Part::Text(literal.to_owned()));
            }
            None => {
                let (operator, text) = self.dialect.like(pattern);
                self.sql(format!("coalesce({column}{operator}"));
                self.parts.push(Part::Text(text));
            }
        }
        self.sql(", FALSE)");
    }
}
