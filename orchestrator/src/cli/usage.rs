//! `orchestrator usage`: who used what.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::{
    agents,
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};
use crate::clock::{now_us, rfc3339};

/// Show exchanges, failures, bytes and time by user, agent, hour or day
#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// What is told apart
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// How far back, in whole hours
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "30d")]
    since: Duration,
    /// Only of this user; '' for clients that gave no name
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only of this agent, by its name or id
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// At most so many, up to 1000
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum By {
    #[default]
    User,
    Agent,
    Hour,
    Day,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    user: Option<String>,
    agent_name: Option<String>,
    at: Option<String>,
    exchanges: u64,
    failed: u64,
    request_bytes: u64,
    response_bytes: u64,
    duration_us: u64,
}

impl Usage {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let since = u64::try_from(self.since.as_micros()).unwrap_or(u64::MAX);
        let (from, limit) = (rfc3339(now_us().saturating_sub(since)), self.limit.to_string());
        let mut query = vec![("by", self.by.name()), ("from", from.as_str()), ("limit", limit.as_str())];
        query.extend(self.user.iter().map(|user| ("user", user.as_str())));
        let client = self.connect.client()?;
        let agent = match &self.agent {
            Some(which) => Some(agents::id_of(which, &client).await?),
            None => None,
        };
        query.extend(agent.iter().map(|agent| ("agent", agent.as_str())));
        let report: Value = client.get(&["usage"], &query).await?;
        if self.format == Format::Json {
            return Ok(output::json(&report)?);
        }
        let items = report["items"].as_array().cloned().unwrap_or_default();
        let by = self.by;
        let rows = items.into_iter().map(|item| serde_json::from_value::<Row>(item).unwrap_or_default().cells(by));
        let columns = [
            Column::Text(self.by.title()),
            Column::Number("EXCHANGES"),
            Column::Number("FAILED"),
            Column::Number("SENT"),
            Column::Number("RECEIVED"),
            Column::Number("AVERAGE"),
        ];
        output::say(output::table(columns, rows.collect()))?;
        if report["more"] == true {
            eprintln!("there are more: see --limit");
        }
        Ok(())
    }
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Agent => "AGENT",
            Self::Hour => "HOUR (UTC)",
            Self::Day => "DAY (UTC)",
        }
    }
}

impl Row {
    fn cells(self, by: By) -> [String; 6] {
        // `2026-11-26`, `2026-11-26T08:00`
        let told = if matches!(by, By::Day) { 10 } else { 16 };
        let at = self.at.map(|at| at.chars().take(told).collect::<String>().replace('T', " "));
        let of = at.or(self.agent_name).or(self.user).unwrap_or_default();
        [
            person::or_dash(&of),
            self.exchanges.to_string(),
            self.failed.to_string(),
            units::size(self.request_bytes),
            units::size(self.response_bytes),
            units::took(self.duration_us / self.exchanges.max(1)),
        ]
    }
}
