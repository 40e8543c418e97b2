//! `orchestrator connections ended`: connections of clients that have ended, as they were recorded.

use clap::Args;
use serde::Deserialize;

use super::{
    super::{
        failure::Failure,
        listing::{self, Recorded},
        output::Column,
        person, units,
    },
    Tls,
};

#[derive(Debug, Args)]
pub(super) struct Ended {
    /// Only of the client with this address
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    #[command(flatten)]
    recorded: Recorded,
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

impl Ended {
    pub(super) async fn run(self) -> Result<(), Failure> {
        self.recorded.run::<Row, 8>(&["connections", "ended"], ("client", self.client.as_deref())).await
    }
}

impl listing::Row<8> for Row {
    const COLUMNS: [Column; 8] = [
        Column::Text("UTC"),
        Column::Text("CLIENT"),
        Column::Text("ENTRY"),
        Column::Long("TUNNEL TO"),
        Column::Text("TLS"),
        Column::Text("ALPN"),
        Column::Number("EXCHANGES"),
        Column::Number("TOOK"),
    ];

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
