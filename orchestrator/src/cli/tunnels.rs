//! `orchestrator tunnels`: what agents carried without looking into it.

use clap::Args;
use serde::Deserialize;

use super::{
    failure::Failure,
    listing::{self, Recorded},
    output::Column,
    person, units,
};

/// Show tunnels that nobody looked into, or that came to nothing; the last that ended first
#[derive(Debug, Args)]
pub(crate) struct Tunnels {
    /// Only to this host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    recorded: Recorded,
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
        self.recorded.run::<Row, 9>(&["tunnels"], ("host", self.host.as_deref())).await
    }
}

impl listing::Row<9> for Row {
    const COLUMNS: [Column; 9] = [
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
