//! `orchestrator agents`: who has joined, who is there, and which revision each runs.

use clap::Args;
use serde::Deserialize;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// List the agents
#[derive(Debug, Args)]
pub(crate) struct Agents {
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: String,
    name: String,
    group: String,
    state: String,
    last_seen: String,
    version: String,
    listen: String,
    revision: u64,
}

impl Agents {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let items = self.connect.client()?.all(&["agents"]).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let mut rows = Vec::with_capacity(items.len());
        for item in items {
            let row: Row = serde_json::from_value(item).map_err(|error| Failure::Answer {
                asked: "GET /api/v1/agents".to_owned(),
                reason: error.to_string(),
            })?;
            rows.push(row.cells());
        }
        let columns = [
            Column::Long("NAME"),
            Column::Text("GROUP"),
            Column::Text("STATE"),
            Column::Number("REVISION"),
            Column::Text("LISTEN"),
            Column::Text("VERSION"),
            Column::Text("LAST SEEN"),
            Column::Text("ID"),
        ];
        Ok(output::say(output::table(columns, rows))?)
    }
}

impl Row {
    fn cells(self) -> [String; 8] {
        [
            person::or_dash(&self.name),
            person::or_dash(&self.group),
            person::or_dash(&self.state),
            self.revision.to_string(),
            person::or_dash(&self.listen),
            person::or_dash(&self.version),
            units::short_time(&self.last_seen),
            person::or_dash(person::short_id(&self.id)),
        ]
    }
}
