//! `orchestrator connections ended`: connections of clients that have ended, as they were recorded.

use clap::Args;
use serde::Deserialize;

use super::super::{failure::Failure, listing::Newest, output::Column, person, units};

#[derive(Debug, Args)]
pub(super) struct Ended {
    /// Only of the client with this address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// Only of the agent with this id
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    #[command(flatten)]
    newest: Newest,
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
        let wanted = [("client", self.client.as_deref()), ("agent", self.agent.as_deref())];
        let cells = |item| serde_json::from_value::<Row>(item).unwrap_or_default().cells();
        self.newest.run(&["connections", "ended"], &wanted, columns, cells).await
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
