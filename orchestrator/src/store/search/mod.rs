//! A query becomes a plan: bounds of ids and runs of an index to walk through, conditions in SQL as far as the columns
//! go, and the rest, which is asked of the whole message. What the columns say is exact, so only conjuncts that they
//! cannot say are left over; of those the part that they can say narrows the walk.

#[cfg(test)]
mod agreement;
mod anchor;
mod body;
mod condition;
mod plain;
mod seen;
mod sift;

use uuid::Uuid;
use weir_query::{Began, Expr, Query, Term, Text};

use super::{dialect::Dialect, sql::Sql};
use anchor::Anchor;
pub(super) use anchor::{Column, LOOKED_AT};
pub(super) use condition::{OUTCOMES, Part};
pub(super) use seen::Seen;
pub(crate) use sift::Unread;
pub(super) use sift::{Candidate, Turn, sift};

/// Conditions that are said once for each run of an index.
const REPEATED: usize = 32;

/// A query, ready to be walked through.
pub(super) struct Search {
    anchor: Option<Anchor>,
    /// The least, and the first beyond.
    ids: (u128, u128),
    conditions: Vec<Expr>,
    rest: Vec<Expr>,
}

impl Search {
    /// For a walk in the order of ids. Asks `values` for all that a column has, once at most and only where that may
    /// help; it answers none where they are too many.
    pub(super) async fn compile<E>(
        query: &Query,
        values: impl AsyncFnOnce(Column) -> Result<Option<Vec<Part>>, E>,
    ) -> Result<Self, E> {
        let mut parts = conjuncts(query);
        let one = parts.iter().position(|part| Anchor::one(part).is_some());
        if let Some(place) = one {
            let anchor = Anchor::one(&parts.remove(place));
            return Ok(Self::of(anchor, parts));
        }
        let columns = parts.iter().map(Anchor::column).enumerate();
        let deciding =
            columns.filter_map(|(place, column)| Some((column?, place))).min_by_key(|(column, _)| *column as u8);
        if let Some((column, place)) = deciding
            && parts.len() <= REPEATED
            && let Some(all) = values(column).await?
            && let Some(anchor) = Anchor::among(column, &parts[place], all)
        {
            parts.remove(place);
            return Ok(Self::of(Some(anchor), parts));
        }
        Ok(Self::of(None, parts))
    }

    /// For a walk in another order.
    pub(super) fn plain(query: &Query) -> Self {
        Self::of(None, conjuncts(query))
    }

    fn of(anchor: Option<Anchor>, parts: Vec<Expr>) -> Self {
        let mut search = Self { anchor, ids: (0, u128::MAX), conditions: vec![], rest: vec![] };
        for part in parts {
            match bounds(&part) {
                Some((least, beyond)) => search.ids = (search.ids.0.max(least), search.ids.1.min(beyond)),
                None if condition::is_exact(&part) => search.conditions.push(part),
                None => {
                    search.conditions.extend(condition::weaker(&part));
                    search.rest.push(part);
                }
            }
        }
        search
    }

    /// How many runs to walk through: none where no value fits, one where there is no anchor.
    pub(super) fn runs(&self) -> usize {
        self.anchor.as_ref().map_or(1, |anchor| anchor.values.len())
    }

    /// Everything fits: nothing is passed over, so there is no need for blocks.
    pub(super) fn is_all(&self) -> bool {
        self.conditions.is_empty() && self.rest.is_empty()
    }

    /// How many conditions are asked of each row, one at least.
    pub(super) fn weight(&self) -> i64 {
        let terms: usize = self.conditions.iter().map(Expr::terms).sum();
        i64::try_from(terms).unwrap_or(i64::MAX).max(1)
    }

    pub(super) fn needs_detail(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Not only of what stands in the message.
    pub(super) fn asks_for_bodies(&self) -> bool {
        self.rest.iter().any(asks_for_bodies)
    }

    /// Where to begin who would begin below `before`.
    pub(super) fn newest(&self, before: Uuid) -> Uuid {
        before.min(Uuid::from_u128(self.ids.1))
    }

    pub(super) fn index(&self) -> &'static str {
        self.anchor.as_ref().map_or("exchanges_by_id", |anchor| anchor.column.index())
    }

    /// What the walk through one of the runs keeps to, whatever block it is in.
    pub(super) fn push_run(&self, sql: &mut Sql, run: usize) {
        if let Some(anchor) = &self.anchor {
            sql.push(" AND e.").push(anchor.column.name()).push(" = ");
            anchor.values.get(run).into_iter().for_each(|value| push_part(sql, value.clone()));
        }
        if self.ids.0 > 0 {
            sql.push(" AND e.id >= ");
            push_part(sql, Part::Id(self.ids.0));
        }
    }

    /// The least id that may fit.
    pub(super) fn oldest(&self) -> Uuid {
        Uuid::from_u128(self.ids.0)
    }

    /// All that the columns say, but for the greatest id, for rows that are found by no walk.
    pub(super) fn push_columns(&self, sql: &mut Sql, dialect: Dialect) {
        if let Some(anchor) = &self.anchor {
            sql.push(" AND e.").push(anchor.column.name()).push(" IN (");
            for (place, value) in anchor.values.iter().enumerate() {
                sql.push(if place == 0 { "" } else { ", " });
                push_part(sql, value.clone());
            }
            sql.push(")");
        }
        if self.ids.0 > 0 {
            sql.push(" AND e.id >= ");
            push_part(sql, Part::Id(self.ids.0));
        }
        self.push_conditions(sql, dialect);
    }

    pub(super) fn push_conditions(&self, sql: &mut Sql, dialect: Dialect) {
        for condition in &self.conditions {
            sql.push(" AND ");
            condition::of(condition, dialect).into_iter().for_each(|part| push_part(sql, part));
        }
    }

    /// For a walk in another order than that of ids.
    pub(super) fn push_newest(&self, sql: &mut Sql) {
        if self.ids.1 < u128::MAX {
            sql.push(" AND e.id < ");
            push_part(sql, Part::Id(self.ids.1));
        }
    }

    /// Does the rest of the query hold?
    fn matches(&self, seen: &Seen<'_>) -> bool {
        self.rest.iter().all(|part| part.matches(seen))
    }
}

fn asks_for_bodies(part: &Expr) -> bool {
    match part {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_for_bodies),
        Expr::Not(inner) => asks_for_bodies(inner),
        Expr::Term(term) => matches!(term, Term::Body(..)),
    }
}

fn conjuncts(query: &Query) -> Vec<Expr> {
    match query.expr() {
        None => vec![],
        Some(Expr::And(parts)) => parts.clone(),
        Some(other) => vec![other.clone()],
    }
}

fn push_part(sql: &mut Sql, part: Part) {
    match part {
        Part::Sql(text) => drop(sql.push(text)),
        Part::Text(text) => drop(sql.push_bind(text)),
        Part::Number(number) => drop(sql.push_bind(number)),
        Part::Id(id) => drop(sql.push_bind(Uuid::from_u128(id))),
    }
}

/// A condition that says no more than that the id lies in a range.
fn bounds(part: &Expr) -> Option<(u128, u128)> {
    match part {
        Expr::Term(Term::Began(Began::After(ms))) => Some((condition::first_of(*ms), u128::MAX)),
        Expr::Term(Term::Began(Began::Before(ms))) => Some((0, condition::first_of(*ms))),
        Expr::Term(Term::Text(Text::Id, how)) => plain::ids(how),
        _ => None,
    }
}
