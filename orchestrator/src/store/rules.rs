//! What is kept and what goes by what it is: rules with queries. They are in the database, for all orchestrators on it.
//!
//! A rule that drops is walked through exchanges in the order in which they came, a block at a time, as far as they are old enough; where
//! it came to is kept beside it, so that each is asked once. What a rule keeps is asked only of what would go, and is noted
//! then, so that it is not asked again. Notes are of the rules that were in force: when these change, the notes of before count no longer at
//! once, and are deleted in time, some by some.

mod kept;
mod walk;

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;
use weir_query::Query;

use super::{
    Deed, Store, StoreError,
    arrivals::Looked,
    search::Search,
    signed,
    sql::{Lock, On, Row, Sql},
};

/// Between two steps: recording goes on.
const PAUSE: Duration = Duration::from_millis(5);
/// Ids of one statement.
const TOGETHER: usize = 500;
/// More rules than there can be.
const MOST: u64 = 100;

/// What a rule does with an exchange that fits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It goes when it has been here for so long.
    Drop { after: Duration },
    /// Neither age nor a rule that drops takes it.
    Keep,
}

/// One of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    /// In the query grammar.
    pub(crate) query: String,
}

/// Of which rules notes are that count: the place of the first of those in force, which is never that of others. Others are of rules of before.
pub(super) const IN_FORCE: &str = "(SELECT coalesce(min(place), -1) FROM retention_rules)";

/// What to think of an exchange that cannot be asked, for a body of it is damaged: when in doubt it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    Fits,
    DoesNotFit,
}

/// The rules as they are walked.
pub(super) struct Rules {
    /// The place of the first, by which they are known; none if there are no rules.
    first: Option<i64>,
    drops: Vec<Dropping>,
    keeps: Vec<Query>,
}

/// A rule that drops.
struct Dropping {
    place: i64,
    text: String,
    query: Query,
    after: Duration,
    /// The number up to which it was asked.
    walked: i64,
}

impl Store {
    /// In the order given.
    pub(crate) async fn retention_rules(&self) -> Result<Vec<Rule>, StoreError> {
        rules_of(&self.reads).await
    }

    /// In place of those before, if `still` says so of them. All is asked anew. Whether it was done.
    pub(crate) async fn set_retention_rules(
        &self,
        rules: &[Rule],
        still: impl FnOnce(Vec<Rule>) -> bool,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Retention).await?;
        if !still(rules_of(&mut transaction).await?) {
            return Ok(false);
        }
        // What is noted of those before counts no longer, and goes bit by bit.
        Sql::new("DELETE FROM retention_rules").execute(&mut transaction).await?;
        // No place of before comes again, so places tell whether rules are still the same.
        let first = signed(crate::clock::now_us().saturating_mul(MOST));
        for (place, rule) in (first..).zip(rules) {
            let after = match rule.action {
                Action::Drop { after } => Some(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
                Action::Keep => None,
            };
            let sql = "INSERT INTO retention_rules (place, query, after_us, walked) VALUES ($1, $2, $3, 0)";
            let sql = Sql::new(sql).bind(place).bind(&rule.query).bind(after);
            sql.execute(&mut transaction).await?;
        }
        deed.commit(transaction).await?;
        Ok(true)
    }

    /// How many exchanges there are, and their bytes.
    pub(crate) async fn held_exchanges(&self) -> Result<(u64, u64), StoreError> {
        let row = Sql::new("SELECT count, bytes FROM held WHERE what = 'exchanges'").fetch_one(&self.reads).await?;
        Ok((row.number(0)?, row.number(1)?))
    }

    /// By which rules are known to be the same.
    pub(super) async fn places_of_rules<'a>(&self, on: impl Into<On<'a>>) -> Result<Vec<i64>, StoreError> {
        let rows = Sql::new("SELECT place FROM retention_rules ORDER BY place").fetch_all(on).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn rules(&self) -> Result<Rules, StoreError> {
        let sql = "SELECT place, query, after_us, walked FROM retention_rules ORDER BY place";
        let mut rules = Rules { first: None, drops: Vec::new(), keeps: Vec::new() };
        for row in Sql::new(sql).fetch_all(&self.reads).await? {
            let (place, text): (i64, String) = (row.get(0)?, row.get(1)?);
            rules.first.get_or_insert(place);
            // It was one when it was stored; a later version may have made it.
            let Ok(query) = Query::parse(&text) else {
                tracing::error!(query = text, "a rule of retention is not understood and does nothing");
                continue;
            };
            match row.get::<Option<i64>>(2)? {
                None => rules.keeps.push(query),
                Some(us) => {
                    let after = Duration::from_micros(super::unsigned(us));
                    rules.drops.push(Dropping { place, text, query, after, walked: row.get(3)? });
                }
            }
        }
        Ok(rules)
    }

    /// Which of the numbers behind `after` up to `to` fit one of the queries, and maybe those that cannot be asked.
    async fn fits(
        &self,
        queries: &[Query],
        (after, to): (i64, i64),
        unread: Unread,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let mut found = HashSet::new();
        for query in queries {
            let search = Arc::new(Search::plain(query));
            // It is one, and waits for nobody who searches: what is beyond the bounds has to go.
            let turn = None;
            let mut at = after;
            while at < to {
                let mut looked = Looked::default();
                let until = Instant::now() + Duration::from_secs(1);
                let stopped = self.arrived((&search, &turn), (at, to), usize::MAX, until, &mut looked).await?;
                found.extend(looked.items.iter().map(|item| item.summary.id));
                if unread == Unread::Fits {
                    found.extend(looked.unread.iter().map(|(id, _)| *id));
                }
                at = stopped.unwrap_or(to);
            }
        }
        Ok(found)
    }
}

async fn rules_of<'a>(on: impl Into<On<'a>>) -> Result<Vec<Rule>, StoreError> {
    let rows = Sql::new("SELECT query, after_us FROM retention_rules ORDER BY place").fetch_all(on).await?;
    let rule = |row: &Row| {
        let action = match row.get::<Option<i64>>(1)? {
            Some(us) => Action::Drop { after: Duration::from_micros(super::unsigned(us)) },
            None => Action::Keep,
        };
        Ok(Rule { action, query: row.get(0)? })
    };
    rows.iter().map(rule).collect()
}
