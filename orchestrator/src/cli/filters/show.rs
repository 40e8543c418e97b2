//! `orchestrator filters show`: settings, versions, and what each agent makes of the filter.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use weir_artifact::{GroupName, Name};

use super::{
    super::{
        client::Connect,
        failure::Failure,
        output::{self, Column, Format},
        person, units,
    },
    Agent, Row, row,
};

/// What an agent counted of it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Figures {
    calls: u64,
    exchanges: u64,
    time_us: u64,
    instances: u64,
    memory_bytes: u64,
    failures: BTreeMap<String, u64>,
}

impl Figures {
    /// Exchanges, mean time of a call, instances and their memory, failures.
    fn cells(&self) -> [String; 5] {
        let mean = if self.calls == 0 { 0.0 } else { self.time_us as f64 / self.calls as f64 };
        let failures: Vec<String> = self.failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        [
            self.exchanges.to_string(),
            format!("{mean:.1} µs"),
            self.instances.to_string(),
            units::size(self.memory_bytes),
            person::or_dash(&failures.join(", ")),
        ]
    }
}

pub(super) async fn show(name: &Name, group: &GroupName, format: Format, connect: &Connect) -> Result<(), Failure> {
    let found: Option<Value> =
        connect.client()?.find(&["filters", name.as_str()], &[("group", group.as_str())]).await?;
    let shown = found.ok_or_else(|| Failure::Refused(format!("group {group} has no filter {name}")))?;
    if format == Format::Json {
        return Ok(output::json(&shown)?);
    }
    let versions: Vec<Row> =
        shown["versions"].as_array().into_iter().flatten().cloned().map(row).collect::<Result<_, _>>()?;
    const FIELDS: [&str; 13] = [
        "match",
        "priority",
        "on_failure",
        "on_failure_for",
        "isolation",
        "config",
        "grants",
        "upstreams",
        "reads",
        "secrets",
        "limits",
        "key_id",
        "expires",
    ];
    for field in FIELDS {
        let value = match &shown[field] {
            Value::Null => "-".to_owned(),
            Value::String(text) => person::or_dash(text),
            other => person::line(&other.to_string()),
        };
        output::say(format!("{field:<14} {value}"))?;
    }
    let row: Row = row(shown)?;
    output::say(format!("{:<14} {}\n", "digest", person::or_dash(&row.digest)))?;
    output::say(agents(&row.agents))?;
    for (agent, why) in row.agents.iter().filter_map(|agent| Some((agent, agent.why_not()?))) {
        output::say(format!("{}: {}", person::line(agent.called()), person::line(&why)))?;
    }
    output::say("")?;
    let versions = versions.into_iter().map(|version| {
        [version.version.to_string(), units::short_time(&version.published), person::or_dash(&version.digest)]
    });
    let columns = [Column::Number("VERSION"), Column::Text("PUBLISHED (UTC)"), Column::Long("DIGEST")];
    Ok(output::say(output::table(columns, versions.collect()))?)
}

fn agents(agents: &[Agent]) -> String {
    let rows = agents.iter().map(|agent| {
        let state = if agent.active { "active" } else { "refused" };
        let counted = agent.figures.as_ref().map_or_else(|| std::array::from_fn(|_| "-".to_owned()), Figures::cells);
        let [exchanges, mean, instances, memory, failures] = counted;
        let state = state.to_owned();
        let version = agent.version.to_string();
        [person::line(agent.called()), version, state, exchanges, mean, instances, memory, failures]
    });
    let columns = [
        Column::Text("AGENT"),
        Column::Number("VERSION"),
        Column::Text("STATE"),
        Column::Number("EXCHANGES"),
        Column::Number("PER CALL"),
        Column::Number("INSTANCES"),
        Column::Number("MEMORY"),
        Column::Long("FAILURES"),
    ];
    output::table(columns, rows.collect())
}
