//! `orchestrator audit`: who changed what.

use clap::Args;
use serde::Deserialize;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// Show who changed what, the newest first
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what this one did: admin, token:NAME or user:NAME
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 50)]
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
    at: String,
    actor: String,
    role: Option<String>,
    action: String,
    object: String,
    status: u16,
    source: String,
}

impl Audit {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let query: Vec<_> = self.actor.iter().map(|actor| ("actor", actor.as_str())).collect();
        let items = self.connect.client()?.list(&["audit"], &query, self.limit).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let rows = items.into_iter().map(|item| serde_json::from_value::<Row>(item).unwrap_or_default().cells());
        let columns = [
            Column::Text("AT"),
            Column::Text("WHO"),
            Column::Text("ROLE"),
            Column::Text("METHOD"),
            Column::Long("ADDRESS"),
            Column::Number("STATUS"),
            Column::Text("FROM"),
        ];
        Ok(output::say(output::table(columns, rows.collect()))?)
    }
}

impl Row {
    fn cells(self) -> [String; 7] {
        let method = self.action.split(' ').next().unwrap_or_default();
        [
            units::short_time(&self.at),
            person::or_dash(&self.actor),
            person::or_dash(self.role.as_deref().unwrap_or_default()),
            person::or_dash(method),
            person::or_dash(&self.object),
            self.status.to_string(),
            person::or_dash(&self.source),
        ]
    }
}
