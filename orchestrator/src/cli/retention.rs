//! `orchestrator retention`: how long and how much is kept, and the rules for what goes sooner or stays longer.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    asked,
    client::{Client, Connect},
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// Of a rule more, when others change them at the same time.
const TRIES: u32 = 10;

/// Show what is kept, and make rules by query for what goes sooner or stays longer
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Retention {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bounds, what there is, and the rules
    Show(Show),
    /// Let exchanges that fit go before their time
    Drop {
        /// Such as 'host:static.example.com type:image/*'
        #[arg(allow_hyphen_values = true)]
        query: String,
        #[command(flatten)]
        rest: asked::Rest,
        /// How long after they came; 0s for at once, also those that are here already
        #[arg(long, value_name = "DURATION", value_parser = age)]
        after: Duration,
        #[command(flatten)]
        connect: Connect,
    },
    /// Let neither age nor a rule take exchanges that fit
    Keep {
        /// Such as 'status:5xx' or 'tag:incident'
        #[arg(allow_hyphen_values = true)]
        query: String,
        #[command(flatten)]
        rest: asked::Rest,
        #[command(flatten)]
        connect: Connect,
    },
    /// Take a rule away
    Remove {
        /// Its number, as `show` counts them
        number: usize,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, Args)]
struct Show {
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
struct Answer {
    bounds: Bounds,
    held: Held,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Bounds {
    age_s: u64,
    exchanges: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Held {
    exchanges: u64,
    bytes: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Rule {
    action: String,
    query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_s: Option<u64>,
}

impl Rule {
    /// `drop after 1h: host:static.example.com`
    fn said(&self) -> String {
        let after = self.after_s.map(|after| format!(" after {}", span(after))).unwrap_or_default();
        format!("{}{after}: {}", self.action, person::line(&self.query))
    }
}

impl Retention {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.show.run().await,
            Some(Command::Show(show)) => show.run().await,
            Some(Command::Drop { query, rest, after, connect }) => {
                rest.check(&query)?;
                let rule = Rule { action: "drop".to_owned(), query, after_s: Some(after.as_secs()) };
                add(&connect.client()?, rule).await
            }
            Some(Command::Keep { query, rest, connect }) => {
                rest.check(&query)?;
                add(&connect.client()?, Rule { action: "keep".to_owned(), query, after_s: None }).await
            }
            Some(Command::Remove { number, connect }) => {
                let client = connect.client()?;
                let gone = changed(&client, 1, |rules| {
                    if number == 0 || number > rules.len() {
                        return Err(Failure::Usage(format!("there is no rule {number}; there are {}", rules.len())));
                    }
                    Ok(rules.remove(number - 1))
                });
                let gone = gone.await?;
                Ok(output::say(format!("removed: {}", gone.said()))?)
            }
        }
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let value: Value = client.get(&["retention"], &[]).await?;
        if self.format == Format::Json {
            return Ok(output::json(&value)?);
        }
        let Answer { bounds, held, rules } = read(value)?;
        output::say(format!(
            "kept: {} of age, {} exchanges, {}\nheld: {} exchanges, {}",
            span(bounds.age_s),
            bounds.exchanges,
            units::size(bounds.bytes),
            held.exchanges,
            units::size(held.bytes)
        ))?;
        let cells = |(place, rule): (usize, &Rule)| {
            let after = rule.after_s.map_or_else(|| "-".to_owned(), span);
            [(place + 1).to_string(), person::or_dash(&rule.action), after, person::or_dash(&rule.query)]
        };
        let columns = [Column::Text("RULE"), Column::Text("DOES"), Column::Text("AFTER"), Column::Long("QUERY")];
        Ok(output::say(output::table(columns, rules.iter().enumerate().map(cells).collect()))?)
    }
}

async fn add(client: &Client, rule: Rule) -> Result<(), Failure> {
    let said = rule.said();
    // A rule more is right whatever the others are.
    changed(client, TRIES, |rules| {
        rules.push(rule.clone());
        Ok(())
    })
    .await?;
    Ok(output::say(said)?)
}

/// Changes the rules as they are, so many times at most when somebody else changes them in between.
async fn changed<T>(
    client: &Client,
    tries: u32,
    change: impl Fn(&mut Vec<Rule>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut left = tries;
    loop {
        let (value, tag) = client.get_tagged::<Value>(&["retention"]).await?;
        let mut rules = read(value)?.rules;
        let told = change(&mut rules)?;
        match client.put_if::<Value>(&["retention"], &tag, &json!({ "rules": rules })).await {
            Ok(_) => return Ok(told),
            Err(Failure::Problem { status: 412, .. }) if left > 1 => left -= 1,
            Err(Failure::Problem { status: status @ 412, .. }) => {
                let text = "somebody else changed the rules in this moment: look at them again".to_owned();
                return Err(Failure::Problem { status, text });
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn read(value: Value) -> Result<Answer, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure::Answer { asked: "GET /api/v1/retention".to_owned(), reason: error.to_string() })
}

/// None at all is an age too.
fn age(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { units::duration(text) }
}

/// The largest unit that says it.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}
