//! Counts exchanges. A mark says up to which one that is done; it moves in the transaction that writes what came of it, so each
//! counts once, whoever of several orchestrators does it and whenever one dies.
//!
//! Agents say who the users are: of an agent and hour so many are told apart, the others have one name together.

use std::collections::HashMap;

use super::{
    super::{
        IMPORT_AGENT, Store, StoreError,
        sql::{Lock, Row, Sql, Transaction},
    },
    OTHERS, SUMS,
};

/// Exchanges of one step.
const STEP: i64 = 5000;
/// Users of one agent and hour.
const USERS: u64 = 10_000;
/// An agent's clock is believed within this time before an exchange came; a spool may be so old.
const LATE_US: i64 = 30 * 24 * 3_600_000_000;
/// Of one size or time: no sum of them is beyond what the databases can count.
const LARGEST: i64 = 1 << 40;
/// Sums stay there.
pub(super) const FULL: i64 = 1 << 60;

const MARK: &str = "SELECT coalesce(max(up_to), 0) FROM usage_folded";

/// Exchanges of one hour, agent and user.
pub(super) struct Counted {
    pub(super) hour_us: i64,
    pub(super) agent: i64,
    pub(super) user: String,
    pub(super) sums: [i64; 5],
}

impl Store {
    /// Counts what came since it was done last; how many steps that took.
    pub(crate) async fn fold_usage(&self) -> Result<u64, StoreError> {
        // What comes meanwhile is for the next time, or this would not end.
        let newest = Sql::new("SELECT coalesce(max(number), 0) FROM exchanges").fetch_one(&self.reads).await?;
        let newest: i64 = newest.get(0)?;
        let mut steps = 0;
        while self.fold_usage_step(newest).await? {
            steps += 1;
            tokio::task::yield_now().await;
        }
        Ok(steps)
    }

    /// Whether there may be more.
    async fn fold_usage_step(&self, newest: i64) -> Result<bool, StoreError> {
        let mark: i64 = Sql::new(MARK).fetch_one(&self.reads).await?.get(0)?;
        let next = Sql::new(
            "SELECT min(number), max(number) FROM (SELECT number FROM exchanges WHERE number > $1 AND number <= $3 ORDER BY number LIMIT $2) AS few",
        );
        let ends = next.bind(mark).bind(STEP).bind(newest).fetch_one(&self.reads).await?;
        let Some(last) = ends.get::<Option<i64>>(1)? else { return Ok(false) };
        // Read outside the transaction: whoever records does not wait for it.
        let counted = counted((mark, last)).fetch_all(&self.reads).await?;
        let counted = counted.iter().map(Counted::read).collect::<Result<Vec<_>, _>>()?;
        let mut transaction = self.begin().await?;
        transaction.alone(Lock::Folding).await?;
        let now: i64 = Sql::new(MARK).fetch_one(&mut transaction).await?.get(0)?;
        if now != mark {
            // Another orchestrator was faster.
            return Ok(true);
        }
        add(&mut transaction, counted, USERS).await?;
        Sql::new("DELETE FROM usage_folded").execute(&mut transaction).await?;
        Sql::new("INSERT INTO usage_folded VALUES ($1)").bind(last).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Adds all of it, each to its user, as long as an agent has no more than so many of them in an hour.
pub(super) async fn add(transaction: &mut Transaction, counted: Vec<Counted>, users: u64) -> Result<(), StoreError> {
    let mut cells: HashMap<(i64, i64), Vec<Counted>> = HashMap::new();
    for row in counted {
        cells.entry((row.hour_us, row.agent)).or_default().push(row);
    }
    for ((hour_us, agent), rows) in cells {
        let sql = "SELECT count(*) FROM usage WHERE hour_us = $1 AND agent = $2 AND \"user\" NOT IN ('', $3)";
        let sql = Sql::new(sql).bind(hour_us).bind(agent).bind(OTHERS);
        let there = sql.fetch_one(&mut *transaction).await?.number(0)?;
        let mut room = users.saturating_sub(there);
        let is_enough = room >= rows.len() as u64;
        for row in rows {
            if is_enough || row.user.is_empty() || row.is_known(transaction).await? {
                row.add(transaction).await?;
            } else if room > 0 {
                room -= 1;
                row.add(transaction).await?;
            } else {
                Counted { user: OTHERS.to_owned(), ..row }.add(transaction).await?;
            }
        }
    }
    Ok(())
}

/// Exchanges behind the first number up to the last, as they are counted.
fn counted((after, last): (i64, i64)) -> Sql {
    let bounded =
        |what: &str| format!("CAST(sum(CASE WHEN {what} > {LARGEST} THEN {LARGEST} ELSE {what} END) AS BIGINT)");
    let began = format!(
        "CASE WHEN started_us > received_us OR started_us < received_us - {LATE_US} THEN received_us ELSE started_us END"
    );
    let failed = "CAST(sum(CASE WHEN status >= 500 OR outcome IN (2, 4, 7) THEN 1 ELSE 0 END) AS BIGINT)";
    let (asked, answered, took) = (bounded("request_bytes"), bounded("response_bytes"), bounded("duration_us"));
    let text = format!(
        "SELECT began - began % 3600000000, agent, usr, count(*), {failed}, {asked}, {answered}, {took} FROM \
         (SELECT {began} AS began, agent, \"user\" AS usr, status, outcome, request_bytes, response_bytes, duration_us \
         FROM exchanges WHERE number > $1 AND number <= $2 AND agent NOT IN (SELECT number FROM agents WHERE id = $3)) AS began \
         GROUP BY 1, 2, 3"
    );
    Sql::new(text).bind(after).bind(last).bind(IMPORT_AGENT)
}

impl Counted {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let sums = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
        Ok(Self { hour_us: row.get(0)?, agent: row.get(1)?, user: row.get(2)?, sums })
    }

    /// Has the user a row in this hour?
    async fn is_known(&self, transaction: &mut Transaction) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT 1 FROM usage WHERE hour_us = $1 AND agent = $2 AND \"user\" = $3");
        let sql = sql.bind(self.hour_us).bind(self.agent).bind(&self.user);
        Ok(sql.fetch_optional(transaction).await?.is_some())
    }

    pub(super) async fn add(self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let grown = SUMS.map(|name| {
            format!(
                "{name} = CASE WHEN usage.{name} > {FULL} THEN usage.{name} ELSE usage.{name} + excluded.{name} END"
            )
        });
        let mut insert =
            Sql::new(format!("INSERT INTO usage (hour_us, agent, \"user\", {}) VALUES (", SUMS.join(", ")));
        insert.push_bind(self.hour_us).push(", ").push_bind(self.agent).push(", ").push_bind(self.user);
        for sum in self.sums {
            insert.push(", ").push_bind(sum);
        }
        insert.push(") ON CONFLICT (hour_us, agent, \"user\") DO UPDATE SET ").push(grown.join(", "));
        insert.execute(transaction).await.map(drop)
    }
}
