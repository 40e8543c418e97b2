//! `orchestrator audit`: who changed what.

use clap::Args;
use serde::Deserialize;

use super::{failure::Failure, listing::Newest, output::Column, person, units};

/// Show who changed what, the newest first
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what this one did: admin, token:NAME or user:NAME
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    #[command(flatten)]
    newest: Newest,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    at: String,
    actor: String,
    role: Option<String>,
    areas: Option<Vec<String>>,
    action: String,
    object: String,
    status: u16,
    source: String,
}

impl Audit {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let columns = [
            Column::Text("UTC"),
            Column::Long("WHO"),
            Column::Text("ROLE"),
            Column::Text("AREAS"),
            Column::Text("DID"),
            Column::Long("AT WHAT"),
            Column::Number("STATUS"),
            Column::Text("FROM"),
        ];
        let cells = |item| serde_json::from_value::<Row>(item).unwrap_or_default().cells();
        self.newest.run(&["audit"], &[("actor", self.actor.as_deref())], columns, cells).await
    }
}

impl Row {
    fn cells(self) -> [String; 8] {
        let did = self.action.split(' ').next().unwrap_or_default();
        [
            units::short_time(&self.at),
            person::or_dash(&self.actor),
            person::or_dash(self.role.as_deref().unwrap_or_default()),
            person::or_dash(&self.areas.unwrap_or_default().join(",")),
            person::or_dash(did),
            person::or_dash(&self.object),
            self.status.to_string(),
            person::or_dash(&self.source),
        ]
    }
}
