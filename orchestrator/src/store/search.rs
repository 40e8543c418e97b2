//! A query becomes SQL as far as the columns go; what they do not hold (header fields) is asked of the whole message
//! afterwards. The conditions in SQL are exact, so only conjuncts that they cannot say are left over.

use uuid::Uuid;
use weir_proto::v1::{Exchange, tag::Value};
use weir_query::{Expr, Number, Pattern, Query, Range, Subject, Term, Text};

use super::{dialect::Dialect, exchanges::outcome, signed, sql::Sql};

/// What narrows the search to one run of an index that is in order of time.
enum Anchor {
    None,
    Host(String),
    Status(i64),
}

/// A query, ready to be walked through.
pub(super) struct Search {
    anchor: Anchor,
    conditions: Vec<Expr>,
    rest: Vec<Expr>,
}

impl Search {
    pub(super) fn compile(query: &Query) -> Self {
        let parts = match query.expr() {
            None => vec![],
            Some(Expr::And(parts)) => parts.clone(),
            Some(other) => vec![other.clone()],
        };
        let (mut conditions, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(in_columns);
        let anchor = conditions.iter().position(|part| anchor(part).is_some());
        let anchor = anchor.and_then(|place| anchor_of(conditions.remove(place))).unwrap_or(Anchor::None);
        Self { anchor, conditions, rest }
    }

    /// Everything fits: nothing is passed over, so there is no need for blocks.
    pub(super) fn is_all(&self) -> bool {
        self.conditions.is_empty() && self.rest.is_empty()
    }

    pub(super) fn needs_detail(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(super) fn index(&self) -> &'static str {
        match self.anchor {
            Anchor::None => "exchanges_by_id",
            Anchor::Host(_) => "exchanges_by_host",
            Anchor::Status(_) => "exchanges_by_status",
        }
    }

    pub(super) fn push_anchor(&self, sql: &mut Sql) {
        match &self.anchor {
            Anchor::None => {}
            Anchor::Host(host) => drop(sql.push(" AND e.host = ").push_bind(host.clone())),
            Anchor::Status(status) => drop(sql.push(" AND e.status = ").push_bind(*status)),
        }
    }

    pub(super) fn push_conditions(&self, sql: &mut Sql, dialect: Dialect) {
        for condition in &self.conditions {
            sql.push(" AND ");
            push(sql, dialect, condition);
        }
    }

    /// Does the rest of the query hold?
    pub(super) fn matches(&self, seen: &Seen<'_>) -> bool {
        self.rest.iter().all(|part| holds(part, seen))
    }
}

fn anchor(part: &Expr) -> Option<()> {
    match part {
        Expr::Term(Term::Text(Text::Host, pattern)) => pattern.literal().map(drop),
        Expr::Term(Term::Number(Number::Status, range)) => (range.low == range.high).then_some(()),
        _ => None,
    }
}

fn anchor_of(part: Expr) -> Option<Anchor> {
    match part {
        Expr::Term(Term::Text(Text::Host, pattern)) => pattern.literal().map(|host| Anchor::Host(host.to_owned())),
        Expr::Term(Term::Number(Number::Status, range)) => Some(Anchor::Status(signed(range.low))),
        _ => None,
    }
}

fn in_columns(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().all(in_columns),
        Expr::Not(inner) => in_columns(inner),
        Expr::Term(Term::Header { .. } | Term::Tag(_)) => false,
        // A star must not reach from one name to the next.
        Expr::Term(Term::Filter(pattern)) => pattern.literal().is_some(),
        Expr::Term(Term::Text(..) | Term::Type(_) | Term::Number(..)) => true,
    }
}

fn push(sql: &mut Sql, dialect: Dialect, expr: &Expr) {
    match expr {
        Expr::And(parts) => join(sql, dialect, parts, " AND "),
        Expr::Or(parts) => join(sql, dialect, parts, " OR "),
        Expr::Not(inner) => {
            sql.push("NOT ");
            push(sql, dialect, inner);
        }
        Expr::Term(term) => push_term(sql, dialect, term),
    }
}

fn join(sql: &mut Sql, dialect: Dialect, parts: &[Expr], with: &str) {
    sql.push("(");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            sql.push(with);
        }
        push(sql, dialect, part);
    }
    sql.push(")");
}

fn push_term(sql: &mut Sql, dialect: Dialect, term: &Term) {
    match term {
        Term::Text(field, pattern) => push_text(sql, dialect, *field, pattern),
        Term::Type(media) => {
            let essence = format!("trim({})", dialect.before("e.content_type", ';'));
            sql.push("(e.content_type <> '' AND (false");
            for pattern in media.any() {
                sql.push(" OR ");
                push_pattern(sql, dialect, &essence, pattern);
            }
            sql.push("))");
        }
        Term::Filter(pattern) => {
            let name = format!(" {} ", pattern.literal().unwrap_or_default());
            sql.push(dialect.place()).push("(' ' || e.filters, ").push_bind(name).push(") > 0");
        }
        Term::Number(field, range) => {
            let column = match field {
                Number::Status => "e.status",
                Number::Size => "CASE WHEN e.status IS NOT NULL THEN e.response_bytes END",
                Number::Duration => "e.duration_us",
            };
            push_range(sql, column, *range);
        }
        // `in_columns` keeps them out.
        Term::Header { .. } | Term::Tag(_) => drop(sql.push("true")),
    }
}

fn push_range(sql: &mut Sql, column: &str, range: Range) {
    sql.push("coalesce(").push(column).push(" BETWEEN ").push_bind(signed(range.low));
    sql.push(" AND ").push_bind(signed(range.high)).push(", false)");
}

fn push_text(sql: &mut Sql, dialect: Dialect, field: Text, pattern: &Pattern) {
    // What is not there is stored as an empty text.
    let column = match field {
        Text::Host => "nullif(e.host, '')",
        Text::Path => &dialect.before("e.path", '?'),
        Text::Method => "e.method",
        Text::Scheme => "e.scheme",
        Text::User => "nullif(e.user, '')",
        Text::Entry => "nullif(e.entry, '')",
        Text::Error => "nullif(e.error, '')",
        Text::Id => return push_id(sql, dialect, pattern),
        Text::Outcome => {
            sql.push("e.outcome IN (-1");
            for number in (0..8).filter(|number| pattern.matches(outcome(*number).as_bytes())) {
                sql.push(", ").push(number);
            }
            sql.push(")");
            return;
        }
        Text::Agent => {
            sql.push("(");
            push_pattern(sql, dialect, "a.name", pattern);
            sql.push(" OR ");
            push_pattern(sql, dialect, &dialect.id_text("a.id"), pattern);
            sql.push(")");
            return;
        }
    };
    push_pattern(sql, dialect, column, pattern);
}

fn push_id(sql: &mut Sql, dialect: Dialect, pattern: &Pattern) {
    match pattern.literal().and_then(|literal| Uuid::try_parse(literal).ok()) {
        Some(id) => drop(sql.push("e.id = ").push_bind(id)),
        None => push_pattern(sql, dialect, &dialect.id_text("e.id"), pattern),
    }
}

fn push_pattern(sql: &mut Sql, dialect: Dialect, column: &str, pattern: &Pattern) {
    let column = if pattern.ignores_case() { format!("lower({column})") } else { column.to_owned() };
    sql.push("coalesce(").push(column);
    match pattern.literal() {
        Some(literal) => sql.push(" = ").push_bind(literal.to_owned()),
        None => {
            let (operator, text) = dialect.like(pattern);
            sql.push(operator).push_bind(text)
        }
    };
    sql.push(", false)");
}

/// A whole exchange as queries see it.
pub(super) struct Seen<'a> {
    /// Id and name.
    pub(super) agent: (&'a str, &'a str),
    pub(super) exchange: &'a Exchange,
}

fn holds(expr: &Expr, seen: &Seen<'_>) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(|part| holds(part, seen)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, seen)),
        Expr::Not(inner) => !holds(inner, seen),
        // Fits by either; a subject has one text for each field.
        Expr::Term(Term::Text(Text::Agent, pattern)) => {
            pattern.matches(seen.agent.0.as_bytes()) || pattern.matches(seen.agent.1.as_bytes())
        }
        Expr::Term(Term::Text(Text::Id, pattern)) => Uuid::from_slice(&seen.exchange.id)
            .is_ok_and(|id| pattern.matches(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes())),
        Expr::Term(Term::Text(Text::Host, pattern)) => {
            let host = seen.exchange.request.as_ref().map(super::record::host).unwrap_or_default();
            !host.is_empty() && pattern.matches(host.as_bytes())
        }
        Expr::Term(term) => term.matches(seen),
    }
}

impl Subject for Seen<'_> {
    fn text(&self, field: Text) -> Option<&str> {
        let request = self.exchange.request.as_ref()?;
        let connection = self.exchange.connection.as_ref();
        let text = match field {
            Text::Path => return Some(&request.path),
            Text::Method => return Some(&request.method),
            Text::Scheme => return Some(&request.scheme),
            Text::User => &connection?.user,
            Text::Entry => &connection?.entry,
            Text::Error => &self.exchange.error,
            Text::Outcome => outcome(self.exchange.outcome),
            Text::Host | Text::Id | Text::Agent => return None,
        };
        Some(text).filter(|text| !text.is_empty())
    }

    fn number(&self, field: Number) -> Option<u64> {
        let response = self.exchange.response.as_ref();
        match field {
            Number::Status => response.map(|response| u64::from(response.status)),
            Number::Size => response.map(|response| response.body.as_ref().map_or(0, |body| body.size)),
            Number::Duration => Some(self.exchange.duration_us),
        }
    }

    fn content_type(&self) -> Option<&str> {
        let headers = &self.exchange.response.as_ref()?.headers;
        let value = headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-type"))?;
        std::str::from_utf8(&value.value).ok().filter(|value| !value.is_empty())
    }

    fn any_header(&self, name: &str, fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let headers = self.exchange.request.as_ref().map(|request| &request.headers[..]).unwrap_or_default();
        headers.iter().any(|field| field.name.eq_ignore_ascii_case(name) && fits(&field.value))
    }

    fn any_filter(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.exchange.filters.iter().any(|receipt| fits(&receipt.name))
    }

    fn any_tag(&self, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        self.exchange.tags.iter().any(|tag| {
            let valued = match &tag.value {
                Some(Value::Text(text)) => format!("{}={text}", tag.name),
                Some(Value::Number(number)) => format!("{}={number}", tag.name),
                Some(Value::Flag(flag)) => format!("{}={flag}", tag.name),
                None => return fits(&tag.name),
            };
            fits(&tag.name) || fits(&valued)
        })
    }
}
