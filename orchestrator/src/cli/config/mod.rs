//! `orchestrator config`: settings of agents, signed here and taken up by them while they run.

mod difference;
mod past;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use weir_artifact::{Configuration, GroupName, Statement};
use weir_desired::Document;

use super::{
    client::Connect,
    confirm,
    failure::Failure,
    keys::KeyDir,
    output::{self, Column, Format},
    person,
    publish::{self, Sending, Waiting},
    units,
};
use past::Pasts;

/// Push settings to agents, and see what they made of them
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sign a configuration and have the agents of a group work with it
    ///
    /// The file has the keys of an agent's own file, of those that agents change while they run. It takes the place of the
    /// configuration before it as a whole: what it does not say, each agent has from its own settings or by default.
    Push {
        file: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// What a push of the file would change
    Diff {
        file: PathBuf,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        group: Group,
    },
    /// The configuration of a group, and what each agent made of it
    Show {
        /// An earlier version [default: the newest]
        #[arg(long, value_name = "N")]
        version: Option<u64>,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        group: Group,
    },
    /// Every configuration that was pushed to a group
    History {
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        group: Group,
    },
    /// Sign the text of an earlier version anew, as the newest
    Rollback {
        /// Version to take up again
        version: u64,
        #[command(flatten)]
        signing: Signing,
    },
}

#[derive(Debug, Args)]
struct Group {
    #[arg(long, value_name = "GROUP", default_value_t)]
    group: GroupName,
    #[command(flatten)]
    dir: KeyDir,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
struct Signing {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Version, above every one that an agent has seen [default: one more than the newest here]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    as_version: Option<u64>,
    /// How long agents may take it up; what is in force goes on
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = units::duration)]
    expires_in: Duration,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    group: Group,
}

impl Config {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Push { file, signing } => {
                let (text, _) = read(&file)?;
                signing.push(text, None).await
            }
            Command::Diff { file, format, group } => {
                let (_, document) = read(&file)?;
                let changes = difference::between(&group.pasts().await?, &document);
                if format == Format::Json {
                    return Ok(output::json(&difference::told(&changes))?);
                }
                Ok(output::say(difference::text(&changes).unwrap_or_else(|| "nothing would change".to_owned()))?)
            }
            Command::Show { version, format, group } => group.show(version, format).await,
            Command::History { format, group } => group.history(format).await,
            Command::Rollback { version, signing } => {
                let pasts = signing.group.pasts().await?;
                let group = &signing.group.group;
                let past = pasts.all.iter().find(|past| past.version == version);
                let past =
                    past.ok_or_else(|| Failure::Refused(format!("group {group} never had configuration {version}")))?;
                let text = past.signed.as_ref().map(|signed| signed.text.clone());
                let text = text.ok_or_else(|| {
                    Failure::Refused(format!(
                        "configuration {version} was signed by key {}, which the key folder does not know: put that \
                         publisher's .pub file there to vouch for it",
                        past.key_id
                    ))
                })?;
                signing.push(text, Some(version)).await
            }
        }
    }
}

/// The text and what it says; faults by line and key, before anything is signed.
fn read(path: &Path) -> Result<(String, Document), Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::File { path: path.to_owned(), error })?;
    let document = parse(&text, &path.display().to_string())?;
    Ok((text, document))
}

fn parse(text: &str, place: &str) -> Result<Document, Failure> {
    Document::parse(text).map_err(|faults| {
        let lines = faults.0.iter().map(|fault| {
            let key = if fault.key.is_empty() { String::new() } else { format!("{}: ", fault.key) };
            format!("{place}:{}: {key}{}", fault.line, fault.problem)
        });
        Failure::Usage(lines.collect::<Vec<_>>().join("\n"))
    })
}

impl Group {
    async fn pasts(&self) -> Result<Pasts, Failure> {
        Pasts::ask(&self.connect.client()?, &self.group, &self.dir.trusted()?).await
    }

    async fn detail(&self) -> Result<Value, Failure> {
        let found: Option<Value> = self.connect.client()?.find(&["configurations", self.group.as_str()], &[]).await?;
        found.ok_or_else(|| Failure::Refused(format!("no configuration was pushed to group {}", self.group)))
    }

    async fn show(&self, version: Option<u64>, format: Format) -> Result<(), Failure> {
        let detail = self.detail().await?;
        let versions = detail["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let wanted = version.or(detail["version"].as_u64());
        let shown = versions.iter().find(|one| one["version"].as_u64() == wanted);
        let shown = shown.ok_or_else(|| Failure::Refused(format!("group {} never had that version", self.group)))?;
        if format == Format::Json {
            return Ok(output::json(if version.is_some() { shown } else { &detail })?);
        }
        let text = |field: &str| person::or_dash(shown[field].as_str().unwrap_or_default());
        output::say(format!(
            "# configuration {} of group {}, pushed {}, key {}\n{}",
            shown["version"],
            self.group,
            units::short_time(&text("published")),
            text("key_id"),
            person::lines(shown["text"].as_str().unwrap_or_default())
        ))?;
        let agents = detail["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
        let columns = [
            Column::Text("AGENT"),
            Column::Number("IN FORCE"),
            Column::Text("STATE"),
            Column::Text("SET THERE"),
            Column::Long("REASON"),
        ];
        Ok(output::say(output::table(columns, agents.iter().map(agent_row).collect()))?)
    }

    async fn history(&self, format: Format) -> Result<(), Failure> {
        let detail = self.detail().await?;
        if format == Format::Json {
            return Ok(output::json(&detail["versions"])?);
        }
        let pasts = self.pasts().await?;
        let rows = pasts.all.iter().map(|past| {
            let restores = past.signed.as_ref().and_then(|signed| signed.restores);
            let keys =
                past.document().map(|document| document.values().map(|(key, _)| key).collect::<Vec<_>>().join(" "));
            [
                past.version.to_string(),
                units::short_time(&past.published),
                past.key_id.to_string(),
                restores.map_or_else(|| "-".to_owned(), |version| version.to_string()),
                keys.map_or_else(
                    || "signed by a key that the key folder does not know".to_owned(),
                    |keys| person::or_dash(&keys),
                ),
            ]
        });
        let columns = [
            Column::Number("VERSION"),
            Column::Text("PUSHED (UTC)"),
            Column::Text("KEY"),
            Column::Number("RESTORES"),
            Column::Long("SETS"),
        ];
        Ok(output::say(output::table(columns, rows.collect()))?)
    }
}

fn agent_row(agent: &Value) -> [String; 5] {
    let text = |field: &str| agent[field].as_str().unwrap_or_default();
    let state = if agent["active"] == true { "in force" } else { "refused" };
    let pinned: Vec<&str> = agent["pinned"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let reason: Vec<&str> = [text("phase"), text("reason")].into_iter().filter(|text| !text.is_empty()).collect();
    let name = if text("name").is_empty() { text("agent") } else { text("name") };
    [
        person::line(name),
        agent["in_force"].to_string(),
        state.to_owned(),
        person::or_dash(&pinned.join(" ")),
        person::or_dash(&reason.join(": ")),
    ]
}

impl Signing {
    async fn push(self, text: String, restores: Option<u64>) -> Result<(), Failure> {
        let document = parse(&text, "the configuration")?;
        let key = self.group.dir.secret()?;
        let client = self.group.connect.client()?;
        let group = &self.group.group;
        let pasts = self.group.pasts().await?;
        let tell = self.format == Format::Table;
        let version = self.as_version.unwrap_or_else(|| pasts.next_version());
        let difference = difference::text(&difference::between(&pasts, &document));
        match &difference {
            None if pasts.newest().is_some() && self.as_version.is_none() => {
                let now = pasts.newest().map_or(0, |past| past.version);
                if tell {
                    return Ok(output::say(format!("group {group} has this configuration already, as version {now}"))?);
                }
                return Ok(output::json(&json!({"version": now, "changed": false}))?);
            }
            _ if tell => {
                let nothing = if document.is_empty() { "it sets nothing\n" } else { "nothing would change here\n" };
                output::say(difference.clone().unwrap_or_else(|| nothing.to_owned()))?;
            }
            _ => {}
        }
        self.ask(group)?;
        let statement = Statement::Configure(Configuration {
            version,
            group: group.clone(),
            sequence: pasts.next_sequence(),
            expires: units::now().saturating_add(self.expires_in.as_secs()),
            restores,
            text,
        });
        let sending = Sending {
            client: &client,
            key: &key,
            statement: &statement,
            component: None,
            waiting: &self.waiting,
            tell,
        };
        let (posted, answers) = sending
            .send(|posted| format!("configuration {version} of group {group}, revision {}", posted.revision))
            .await?;
        if !tell {
            let told = json!({"version": version, "changed": true, "revision": posted.revision, "agents": answers});
            output::json(&told)?;
        }
        publish::verdict(&answers)
    }

    /// Nothing is signed that nobody has said yes to.
    fn ask(&self, group: &GroupName) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        confirm::somebody("--yes pushes without asking")?;
        confirm::ask(&format!("push this to group {group}?"), "nothing was pushed")
    }
}
