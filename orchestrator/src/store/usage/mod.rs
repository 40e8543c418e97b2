//! Who used what: recorded exchanges are counted by the hour in which they began, agent and user (`fold`); how many users there can be
//! is bounded (`bound`), and no sum is smaller for it. What is deleted later stays counted.

mod bound;
mod fold;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::{
    Store, StoreError, signed,
    sql::{Row, Sql},
};

/// What is counted of exchanges, in the order of the columns.
const SUMS: [&str; 5] = ["exchanges", "failed", "request_bytes", "response_bytes", "duration_us"];
/// Users that there is no room for have this name together. A user who calls themselves so is one of them.
const OTHERS: &str = "(others)";

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
    /// Empty for clients that gave no name, [`OTHERS`] for those that there is no room for.
    User(String),
    Agent(Uuid, String),
    /// The beginning of an hour or a day (UTC).
    Time(u64),
}

impl Store {
    /// Those with the most exchanges first, times in their order; all that is recorded is counted in.
    pub(crate) async fn usage(&self, wanted: UsageWanted<'_>) -> Result<Vec<Usage>, StoreError> {
        self.fold_usage().await?;
        let (of, joined) = match wanted.by {
            By::User => ("u.\"user\", u.\"user\"", ""),
            By::Agent => ("a.id, a.name", " JOIN agents a ON a.number = u.agent"),
            By::Hour => ("u.hour_us, u.hour_us", ""),
            By::Day => ("u.hour_us - u.hour_us % 86400000000, u.hour_us - u.hour_us % 86400000000", ""),
        };
        let sums = SUMS.map(total).join(", ");
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
