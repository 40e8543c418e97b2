//! Who used what: recorded exchanges are counted by the hour in which they began, agent and user. A mark says up to which exchange
//! that is done; it moves in the transaction that writes what came of it, so each counts once, whoever of several orchestrators
//! does it and whenever one dies. What is deleted later stays counted.

use std::time::Duration;

use uuid::Uuid;

use super::{
    IMPORT_AGENT, Store, StoreError, signed,
    sql::{Lock, Row, Sql, Transaction},
};

/// Exchanges of one step.
const STEP: i64 = 5000;
/// How long hours are kept.
const AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// And how many rows: agents say who the users are.
const MOST: i64 = 1_000_000;
/// An agent's clock is believed within this time before an exchange came; a spool may be so old.
const LATE_US: i64 = 30 * 24 * 3_600_000_000;
/// Of one size or time: no sum of them is beyond what the databases can count.
const LARGEST: i64 = 1 << 40;
/// Sums stay there.
const FULL: i64 = 1 << 60;

const MARK: &str = "SELECT coalesce(max(up_to), 0) FROM usage_folded";

/// By what it is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    User,
    Agent,
    Hour,
    Day,
}

/// What is asked for; times in microseconds, `from` included and `to` not, both of whole hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UsageWanted<'a> {
    pub(crate) by: By,
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
    pub(crate) agent: Option<Uuid>,
    pub(crate) user: Option<&'a str>,
    pub(crate) limit: usize,
}

/// One user, agent or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) of: Of,
    pub(crate) exchanges: u64,
    pub(crate) failed: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) duration_us: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Of {
    /// Empty for clients that gave no name.
    User(String),
    Agent(Uuid, String),
    /// The beginning of an hour or a day (UTC).
    Time(u64),
}

/// Exchanges of one hour, agent and user.
struct Counted {
    key: (i64, i64, String),
    /// in the order of the columns
    sums: [i64; 5],
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
        for row in counted {
            row.add(&mut transaction).await?;
        }
        Sql::new("DELETE FROM usage_folded").execute(&mut transaction).await?;
        Sql::new("INSERT INTO usage_folded VALUES ($1)").bind(last).execute(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Forgets what is too old, and the oldest of too much.
    pub(crate) async fn retain_usage(&self, now_us: u64) -> Result<(), StoreError> {
        let cutoff = now_us.saturating_sub(u64::try_from(AGE.as_micros()).unwrap_or(u64::MAX));
        Sql::new("DELETE FROM usage WHERE hour_us < $1").bind(signed(cutoff)).execute(&self.writes).await?;
        let beyond =
            "DELETE FROM usage WHERE hour_us < (SELECT hour_us FROM usage ORDER BY hour_us DESC LIMIT 1 OFFSET $1)";
        Sql::new(beyond).bind(MOST).execute(&self.writes).await.map(drop)
    }

    /// Those with the most exchanges first, times in their order; all that is recorded is counted in.
    pub(crate) async fn usage(&self, wanted: UsageWanted<'_>) -> Result<Vec<Usage>, StoreError> {
        self.fold_usage().await?;
        let (of, joined) = match wanted.by {
            By::User => ("u.\"user\", u.\"user\"", ""),
            By::Agent => ("a.id, a.name", " JOIN agents a ON a.number = u.agent"),
            By::Hour => ("u.hour_us, u.hour_us", ""),
            By::Day => ("u.hour_us - u.hour_us % 86400000000, u.hour_us - u.hour_us % 86400000000", ""),
        };
        let sums = ["exchanges", "failed", "request_bytes", "response_bytes", "duration_us"].map(total).join(", ");
        let mut query = Sql::new(format!("SELECT {of}, {sums} FROM usage u{joined} WHERE u.hour_us >= "));
        query.push_bind(signed(wanted.from_us)).push(" AND u.hour_us < ").push_bind(signed(wanted.to_us));
        if let Some(agent) = wanted.agent {
            query.push(" AND u.agent = (SELECT number FROM agents WHERE id = ").push_bind(agent).push(")");
        }
        if let Some(user) = wanted.user {
            query.push(" AND u.\"user\" = ").push_bind(user);
        }
        let order = if matches!(wanted.by, By::Hour | By::Day) { "1" } else { "3 DESC, 1" };
        query.push(" GROUP BY 1, 2 ORDER BY ").push(order).push(" LIMIT ").push_bind(signed(wanted.limit as u64));
        let rows = query.fetch_all(&self.reads).await?;
        rows.iter().map(|row| Usage::read(wanted.by, row)).collect()
    }
}

/// A sum that is too large for no database.
fn total(column: &str) -> String {
    format!("sum(CAST(u.{column} AS DOUBLE PRECISION))")
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
        Ok(Self { key: (row.get(0)?, row.get(1)?, row.get(2)?), sums })
    }

    async fn add(self, transaction: &mut Transaction) -> Result<(), StoreError> {
        let columns = ["exchanges", "failed", "request_bytes", "response_bytes", "duration_us"];
        let grown = columns.map(|name| {
            format!(
                "{name} = CASE WHEN usage.{name} > {FULL} THEN usage.{name} ELSE usage.{name} + excluded.{name} END"
            )
        });
        let (hour_us, agent, user) = self.key;
        let mut insert =
            Sql::new(format!("INSERT INTO usage (hour_us, agent, \"user\", {}) VALUES (", columns.join(", ")));
        insert.push_bind(hour_us).push(", ").push_bind(agent).push(", ").push_bind(user);
        for sum in self.sums {
            insert.push(", ").push_bind(sum);
        }
        insert.push(") ON CONFLICT (hour_us, agent, \"user\") DO UPDATE SET ").push(grown.join(", "));
        insert.execute(transaction).await.map(drop)
    }
}

impl Usage {
    fn read(by: By, row: &Row) -> Result<Self, StoreError> {
        let of = match by {
            By::User => Of::User(row.get(0)?),
            By::Agent => Of::Agent(row.get(0)?, row.get(1)?),
            By::Hour | By::Day => Of::Time(row.number(0)?),
        };
        // Exact up to 2^53.
        let number = |column| Ok::<_, StoreError>(row.get::<f64>(column)? as u64);
        Ok(Self {
            of,
            exchanges: number(2)?,
            failed: number(3)?,
            request_bytes: number(4)?,
            response_bytes: number(5)?,
            duration_us: number(6)?,
        })
    }
}
