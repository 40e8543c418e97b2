//! `orchestrator tunnels`: what agents carried without looking into it.

use clap::Args;
use serde::Deserialize;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// Show tunnels that nobody looked into, or that came to nothing; the last that ended first
#[derive(Debug, Args)]
pub(crate) struct Tunnels {
    /// Only to this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Only of the agent with this id
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    started: String,
    duration_us: u64,
    client: String,
    target: String,
    uninspected: Option<String>,
    outcome: String,
    error: Option<String>,
    from_client_bytes: u64,
    to_client_bytes: u64,
}

impl Tunnels {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let host = self.host.iter().map(|host| ("host", host.as_str()));
        let query: Vec<_> = host.chain(self.agent.iter().map(|agent| ("agent", agent.as_str()))).collect();
        let items = self.connect.client()?.list(&["tunnels"], &query, self.limit).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let rows = items.into_iter().map(|item| serde_json::from_value::<Row>(item).unwrap_or_default().cells());
        let columns = [
            Column::Text("UTC"),
            Column::Text("CLIENT"),
            Column::Long("TARGET"),
            Column::Text("UNSEEN"),
            Column::Text("OUTCOME"),
            Column::Number("UP"),
            Column::Number("DOWN"),
            Column::Number("TOOK"),
            Column::Long("ERROR"),
        ];
        Ok(output::say(output::table(columns, rows.collect()))?)
    }
}

impl Row {
    fn cells(self) -> [String; 9] {
        [
            units::short_time(&self.started),
            person::or_dash(&self.client),
            person::or_dash(&self.target),
            person::or_dash(self.uninspected.as_deref().unwrap_or_default()),
            person::or_dash(&self.outcome),
            units::size(self.from_client_bytes),
            units::size(self.to_client_bytes),
            units::took(self.duration_us),
            person::or_dash(self.error.as_deref().unwrap_or_default()),
        ]
    }
}
