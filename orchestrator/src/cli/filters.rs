//! `orchestrator filters`: what runs where, and the signed statements that take back: rollback and removal.

mod show;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_artifact::{GroupName, Name, Publication, Removal, Statement};

use super::{
    client::Connect,
    failure::Failure,
    history::{History, Past},
    keys::KeyDir,
    output::{self, Column, Format},
    person,
    publish::{self, Posted, Sending, Waiting},
    units,
};

/// List, show, roll back and remove filters
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Filters {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every filter, one line for each group
    List(List),
    /// One filter: settings, versions, what each agent made of it
    Show {
        name: Name,
        #[arg(long, value_name = "GROUP", default_value_t)]
        group: GroupName,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        connect: Connect,
    },
    /// What a filter wrote on agents, in the order in which it came
    Logs(super::lines::Lines),
    /// Sign an earlier version anew and have agents run it with the settings it had
    Rollback {
        name: Name,
        /// Version to go back to [default: the one below the one that runs now]
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        /// How long agents may take it up
        #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = units::duration)]
        expires_in: Duration,
        #[command(flatten)]
        signing: Signing,
    },
    /// Sign that agents are to run it no more
    Remove {
        name: Name,
        #[command(flatten)]
        signing: Signing,
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

#[derive(Debug, Args)]
struct Signing {
    #[arg(long, value_name = "GROUP", default_value_t)]
    group: GroupName,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    dir: KeyDir,
    #[command(flatten)]
    connect: Connect,
}

/// A line of the list.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    name: String,
    group: String,
    version: u64,
    digest: String,
    #[serde(rename = "match")]
    matching: String,
    priority: i64,
    on_failure: String,
    published: String,
    state: String,
    agents: Vec<Agent>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Agent {
    agent: String,
    name: String,
    version: u64,
    active: bool,
    phase: Option<String>,
    reason: Option<String>,
    figures: Option<show::Figures>,
}

impl Filters {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command.unwrap_or(Command::List(self.list)) {
            Command::List(list) => list.run().await,
            Command::Show { name, group, format, connect } => show::show(&name, &group, format, &connect).await,
            Command::Rollback { name, to, expires_in, signing } => signing.rollback(name, to, expires_in).await,
            Command::Logs(lines) => lines.run().await,
            Command::Remove { name, signing } => signing.remove(name).await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let items = self.connect.client()?.all(&["filters"]).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let rows = items.into_iter().map(row::<Row>).collect::<Result<Vec<_>, _>>()?;
        let notes: String = rows.iter().filter_map(Row::note).map(|note| format!("\n{note}")).collect();
        let columns = [
            Column::Text("NAME"),
            Column::Text("GROUP"),
            Column::Number("VERSION"),
            Column::Text("STATE"),
            Column::Text("AGENTS"),
            Column::Number("PRIORITY"),
            Column::Text("ON FAILURE"),
            Column::Long("MATCH"),
            Column::Text("PUSHED (UTC)"),
        ];
        Ok(output::say(output::table(columns, rows.into_iter().map(Row::cells).collect()) + &notes)?)
    }
}

fn row<T: serde::de::DeserializeOwned>(item: Value) -> Result<T, Failure> {
    serde_json::from_value(item)
        .map_err(|error| Failure::Answer { asked: "GET /api/v1/filters".to_owned(), reason: error.to_string() })
}

impl Agent {
    fn called(&self) -> &str {
        if self.name.is_empty() { &self.agent } else { &self.name }
    }

    /// The phase and the reason, which no table has the room for.
    fn why_not(&self) -> Option<String> {
        let told = [self.phase.as_deref(), self.reason.as_deref()];
        let told: Vec<&str> = told.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        (!told.is_empty()).then(|| told.join(": "))
    }
}

impl Row {
    /// Why not all agents that it is for run it, which the table has no room for.
    fn note(&self) -> Option<String> {
        let mut refusing = self.agents.iter().filter(|agent| self.state == "active" && !agent.active);
        let (first, why) = refusing.find_map(|agent| Some((agent, agent.why_not()?)))?;
        let others = match refusing.filter(|agent| agent.why_not().is_some()).count() {
            0 => String::new(),
            more => format!(" and {more} more (`orchestrator filters show {}`)", self.name),
        };
        Some(format!(
            "{} is refused by {}{}: {}",
            person::line(&self.name),
            person::line(first.called()),
            person::line(&others),
            person::line(&why)
        ))
    }

    fn cells(self) -> [String; 9] {
        let active = self.agents.iter().filter(|agent| agent.active && agent.version == self.version).count();
        let agents = if self.agents.is_empty() { "-".to_owned() } else { format!("{active}/{}", self.agents.len()) };
        [
            person::line(&self.name),
            person::line(&self.group),
            self.version.to_string(),
            person::or_dash(&self.state),
            agents,
            self.priority.to_string(),
            person::or_dash(&self.on_failure),
            person::or_dash(&self.matching),
            units::short_time(&self.published),
        ]
    }
}

impl Signing {
    async fn history(&self, name: &Name) -> Result<History, Failure> {
        let history = History::ask(&self.connect.client()?, name, &self.group, &self.dir.trusted()?).await?;
        if history.newest().is_none() {
            return Err(Failure::Refused(format!("group {} has no filter {name}", self.group)));
        }
        Ok(history)
    }

    async fn rollback(self, name: Name, to: Option<u64>, expires_in: Duration) -> Result<(), Failure> {
        let history = self.history(&name).await?;
        let now = history.newest().map_or(0, |past| past.version);
        let below = if history.active { history.version_below(now) } else { Some(now) };
        let to = to.or(below).ok_or_else(|| Failure::Refused(format!("{name} {now} has no version below it")))?;
        let past = history.of_version(to).ok_or_else(|| Failure::Refused(format!("{name} has no version {to}")))?;
        let Past { publication: Some(publication), .. } = past else {
            return Err(Failure::Refused(format!(
                "{name} {to} was signed by key {}, which the key folder does not know: put that publisher's .pub file \
                 there to vouch for it",
                past.key_id
            )));
        };
        let publication = Publication {
            rollback: true,
            sequence: history.next_sequence(),
            expires: units::now().saturating_add(expires_in.as_secs()),
            ..publication.clone()
        };
        let group = self.group.clone();
        let statement = Statement::Publish(Box::new(publication));
        self.send(&statement, move |posted| {
            format!("rolled {name} back from {now} to {to} in group {group}, revision {}", posted.revision)
        })
        .await
    }

    async fn remove(self, name: Name) -> Result<(), Failure> {
        let history = self.history(&name).await?;
        if !history.active {
            return Err(Failure::Refused(format!("{name} is removed from group {} already", self.group)));
        }
        let group = self.group.clone();
        let sequence = history.next_sequence();
        let statement = Statement::Remove(Removal { name: name.clone(), group: group.clone(), sequence });
        self.send(&statement, move |posted| format!("removed {name} from group {group}, revision {}", posted.revision))
            .await
    }

    async fn send(self, statement: &Statement, announce: impl FnOnce(&Posted) -> String) -> Result<(), Failure> {
        let key = self.dir.secret()?;
        let client = self.connect.client()?;
        let tell = self.format == Format::Table;
        let sending = Sending { client: &client, key: &key, statement, component: None, waiting: &self.waiting, tell };
        let (posted, answers) = sending.send(announce).await?;
        if !tell {
            output::json(&json!({"revision": posted.revision, "agents": answers}))?;
        }
        publish::verdict(&answers)
    }
}
