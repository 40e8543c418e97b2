//! `orchestrator agents`: who has joined, who is there, and which revision each runs; and taking an identity away.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::{
    client::{Client, Connect},
    failure::Failure,
    listing::{self, Row as _},
    output::{self, Column, Format},
    person, units,
};
use crate::clock;

const PATH: &[&str] = &["agents"];

/// List agents, and take an identity away
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Agents {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every agent
    List(List),
    /// Take the identity of an agent away, for good: it is heard no more. What runs on it runs on until it is stopped
    Revoke {
        /// Id, its last digits as in the listing, or the name where no other agent has it
        #[arg(value_name = "AGENT")]
        which: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, Args)]
struct List {
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
    kind: String,
    name: String,
    group: String,
    state: String,
    last_seen: String,
    version: String,
    refused: Option<String>,
    certificate_ends: Option<String>,
    listen: String,
    revision: u64,
    configuration: Option<Configured>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Configured {
    version: u64,
    in_force: u64,
    active: bool,
    pinned: Vec<String>,
}

impl Configured {
    /// `3`; `3 (1 set there)` where the agent has a key of its own; `2, refused 3`.
    fn cell(&self) -> String {
        match self {
            Self { active: false, version, in_force, .. } => format!("{in_force}, refused {version}"),
            Self { pinned, in_force, .. } if !pinned.is_empty() => format!("{in_force} ({} set there)", pinned.len()),
            Self { in_force, .. } => in_force.to_string(),
        }
    }
}

impl Agents {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.list.run().await,
            Some(Command::List(list)) => list.run().await,
            Some(Command::Revoke { which, connect }) => revoke(&which, &connect.client()?).await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let items = self.connect.client()?.all(PATH).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let mut rows: Vec<Row> = listing::read(PATH, items)?;
        // Where imports are shown is for programs: nothing runs there.
        rows.retain(|row| row.kind != "import");
        let notes: String = rows.iter().filter_map(Row::note).map(|note| format!("\n{note}")).collect();
        let table = output::table(Row::COLUMNS, rows.into_iter().map(Row::cells).collect());
        Ok(output::say(table + &notes)?)
    }
}

impl Row {
    /// Its certificate ended before it was renewed.
    fn is_left_behind(&self) -> bool {
        let ends = self.certificate_ends.as_deref().and_then(clock::parse);
        self.state == "disconnected" && ends.is_some_and(|ends| ends <= clock::now_us())
    }

    /// As the table has it: of one that is not there, why.
    fn state(&self) -> &str {
        match &self.refused {
            Some(_) => "refused",
            None if self.is_left_behind() => "ended",
            None => &self.state,
        }
    }

    /// What the table has no room for: what to do about it.
    fn note(&self) -> Option<String> {
        let name = person::line(if self.name.is_empty() { &self.id } else { &self.name });
        match &self.refused {
            Some(reason) => Some(format!("{name} is refused: {}", person::line(reason))),
            None if self.is_left_behind() => Some(format!(
                "{name}: its certificate ended at {} UTC: give it another join token (`orchestrator join-token`)",
                self.certificate_ends.as_deref().map(units::short_time).unwrap_or_default()
            )),
            None => None,
        }
    }
}

impl listing::Row<9> for Row {
    const COLUMNS: [Column; 9] = [
        Column::Long("NAME"),
        Column::Text("GROUP"),
        Column::Text("STATE"),
        Column::Number("REVISION"),
        Column::Text("CONFIG"),
        Column::Text("LISTEN"),
        Column::Text("VERSION"),
        Column::Text("SEEN (UTC)"),
        Column::Text("ID"),
    ];

    fn cells(self) -> [String; 9] {
        [
            person::or_dash(&self.name),
            person::or_dash(&self.group),
            person::or_dash(self.state()),
            self.revision.to_string(),
            self.configuration.as_ref().map_or_else(|| "-".to_owned(), Configured::cell),
            person::or_dash(&self.listen),
            person::or_dash(&self.version),
            units::short_time(&self.last_seen),
            person::or_dash(person::short_id(&self.id)),
        ]
    }
}

/// The id of an agent that is meant by it, by the last digits of it as listings show them, or by its name. One that no agent
/// has any more may be whole: records outlive agents.
pub(crate) async fn id_of(which: &str, client: &Client) -> Result<String, Failure> {
    if uuid::Uuid::try_parse(which).is_ok() {
        return Ok(which.to_owned());
    }
    Ok(meant(which, client).await?.id)
}

async fn meant(which: &str, client: &Client) -> Result<Row, Failure> {
    let items = client.all(PATH).await?;
    let mut rows: Vec<Row> = listing::read(PATH, items)?;
    rows.retain(|row| {
        let is_tail = which.len() >= 8 && row.id.ends_with(which);
        row.id == which || is_tail || row.name == which && row.state != "revoked"
    });
    if rows.len() > 1 {
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let ids = ids.join(", ");
        return Err(Failure::Refused(format!("`{which}` is more than one agent, name one by its id: {ids}")));
    }
    rows.pop().ok_or_else(|| Failure::Refused(format!("there is no agent `{which}`; `orchestrator agents` lists them")))
}

/// Of the one that is meant: whoever guesses takes the wrong one's away.
async fn revoke(which: &str, client: &Client) -> Result<(), Failure> {
    let row = meant(which, client).await?;
    client.delete(&["agents", &row.id]).await?;
    Ok(output::say(format!("revoked {} ({})\n", person::line(&row.name), row.id))?)
}
