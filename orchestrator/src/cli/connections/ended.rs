//! `orchestrator connections ended`: connections of clients that have ended, as they were recorded.

use clap::Args;
use serde::Deserialize;

use super::super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

#[derive(Debug, Args)]
pub(super) struct Ended {
    /// Only of the client with this address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
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
    entry: String,
    tunnel_target: Option<String>,
    tls: Option<Tls>,
    exchanges: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tls {
    version: String,
    alpn: Option<String>,
}

impl Ended {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.client.iter().map(|client| ("client", client.as_str()));
        let query: Vec<_> = client.chain(self.agent.iter().map(|agent| ("agent", agent.as_str()))).collect();
        let items = self.connect.client()?.list(&["connections", "ended"], &query, self.limit).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let rows = items.into_iter().map(|item| serde_json::from_value::<Row>(item).unwrap_or_default().cells());
        let columns = [
            Column::Text("UTC"),
            Column::Text("CLIENT"),
            Column::Text("ENTRY"),
            Column::Long("TUNNEL TO"),
            Column::Text("TLS"),
            Column::Text("ALPN"),
            Column::Number("EXCHANGES"),
            Column::Number("TOOK"),
        ];
        Ok(output::say(output::table(columns, rows.collect()))?)
    }
}

impl Row {
    fn cells(self) -> [String; 8] {
        [
            units::short_time(&self.started),
            person::or_dash(&self.client),
            person::or_dash(&self.entry),
            person::or_dash(self.tunnel_target.as_deref().unwrap_or_default()),
            person::or_dash(self.tls.as_ref().map_or("", |tls| &tls.version)),
            person::or_dash(self.tls.as_ref().and_then(|tls| tls.alpn.as_deref()).unwrap_or_default()),
            self.exchanges.to_string(),
            units::took(self.duration_us),
        ]
    }
}
