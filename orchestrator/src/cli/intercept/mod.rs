//! `orchestrator intercept`: makes a breakpoint, shows what pauses as it comes, and takes decisions, until it is told to end or
//! its input does; then the breakpoint ends with it. For people, or line by line as JSON for programs. What comes is told by the
//! stream of events; how things are, the list says.

mod edit;
mod lines;
mod people;
mod programs;

use std::{collections::HashSet, pin::pin, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use self::lines::Lines;
use super::{
    breakpoints::{Item, Wanted, item},
    client::{Client, Connect},
    failure::Failure,
    output::Format,
    person,
    stream::{Event, Stream},
};

/// What may change what pauses: messages that pause and are decided, and agents that come and go.
const KINDS: &str = "exchange.paused,exchange.decided,agent.*";
/// Until somebody is asked again who did not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// Events that wait while somebody decides; the server keeps the others.
const WAITING: usize = 64;

/// Pause exchanges that fit, and decide about each: continue, edit, answer, redirect, kill
#[derive(Debug, Args)]
pub(crate) struct Intercept {
    #[command(flatten)]
    wanted: Wanted,
    /// For people, or for programs: a line of JSON for what pauses, a line of JSON for each decision
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

/// Who decides.
enum Decider {
    Person(people::Person),
    Program,
}

/// What goes on.
struct Session<'a> {
    client: &'a Client,
    breakpoint: &'a Item,
    /// ids of what was shown and is not decided
    known: HashSet<String>,
}

impl Intercept {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.wanted.check()?;
        let client = self.connect.client()?;
        // First the stream, then the breakpoint: nothing that pauses falls in between.
        let events = Stream::open(&client, &["events"], &[("kinds", KINDS)]).await?;
        let breakpoint = item(self.wanted.make(&client).await?)?;
        eprintln!("{}", person::lines(&breakpoint.where_it_is()));
        let mut decider = match self.format {
            Format::Table => Decider::Person(people::Person::new()),
            Format::Json => Decider::Program,
        };
        let session = Session { client: &client, breakpoint: &breakpoint, known: HashSet::new() };
        let ended = tokio::select! {
            ended = session.run(events, &mut decider) => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        match client.delete(&["breakpoints", &breakpoint.id]).await {
            // Its lease may have run out meanwhile.
            Ok(()) | Err(Failure::Problem { status: 404, .. }) => ended,
            Err(failure) => ended.and(Err(failure)),
        }
    }
}

/// Hands on what the stream tells, until it is over.
async fn follow(mut events: Stream<'_>, tell: mpsc::Sender<Event>) -> Result<(), Failure> {
    loop {
        let event = events.next().await?;
        if tell.send(event).await.is_err() {
            return Ok(());
        }
    }
}

impl Session<'_> {
    async fn run(mut self, events: Stream<'_>, decider: &mut Decider) -> Result<(), Failure> {
        let (tell, mut told) = mpsc::channel(WAITING);
        let mut following = pin!(follow(events, tell));
        let mut input = Lines::of_stdin();
        let every = Duration::from_secs(self.breakpoint.lease_s.max(3)) / 3;
        let mut renew = Instant::now() + every;
        let mut is_stale = false;
        loop {
            tokio::select! {
                ended = &mut following => return ended,
                Some(event) = told.recv() => {
                    is_stale |= self.heard(&event, decider)?;
                    while let Ok(event) = told.try_recv() {
                        is_stale |= self.heard(&event, decider)?;
                    }
                }
                line = input.next() => {
                    let Some(line) = line else { return Ok(()) };
                    let goes_on = match decider {
                        Decider::Person(person) => person.hear(self.client, &line).await?,
                        Decider::Program => programs::hear(self.client, &line).await?,
                    };
                    if !goes_on {
                        return Ok(());
                    }
                }
                () = sleep_until(renew) => is_stale = true,
                () = sleep(AGAIN), if is_stale => {}
            }
            if is_stale {
                is_stale = !self.look(decider).await?;
            }
            // An editor may have been open for long.
            if Instant::now() >= renew {
                renew = Instant::now() + every;
                self.renew().await?;
            }
        }
    }

    /// Whether the list is to be looked at.
    fn heard(&mut self, event: &Event, decider: &mut Decider) -> Result<bool, Failure> {
        let data = &event.data;
        match &*event.kind {
            "exchange.paused" => {
                Ok(data["breakpoint"] == *self.breakpoint.id && !self.known.contains(&text(data, "paused")))
            }
            "exchange.decided" => {
                let id = text(&data["pause"], "paused");
                if self.known.remove(&id) {
                    decider.gone(&id)?;
                }
                Ok(false)
            }
            // `missed` among them
            _ => Ok(true),
        }
    }

    async fn renew(&self) -> Result<(), Failure> {
        let renewed = self.client.post::<Value>(&["breakpoints", &self.breakpoint.id, "renew"], &json!({})).await;
        match renewed {
            Ok(_) => Ok(()),
            Err(Failure::Problem { status: 404, .. }) => {
                Err(Failure::Refused("the breakpoint has ended: it was removed, or not renewed in time".to_owned()))
            }
            // Away, starting, or too much to do: its lease is longer than a moment.
            Err(failure) if is_passing(&failure) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// What pauses newly is shown, and what ended is forgotten. False where not everybody could be asked.
    async fn look(&mut self, decider: &mut Decider) -> Result<bool, Failure> {
        let asked = [("breakpoint", self.breakpoint.id.as_str())];
        let list: Value = match self.client.get(&["paused"], &asked).await {
            Ok(list) => list,
            Err(failure) if is_passing(&failure) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let ids: HashSet<String> = items.iter().map(|item| text(item, "id")).collect();
        // An agent that could not be asked may have some still.
        let is_whole = list["unanswered"].as_array().is_none_or(Vec::is_empty);
        if is_whole {
            let gone: Vec<String> = self.known.difference(&ids).cloned().collect();
            for id in gone {
                self.known.remove(&id);
                decider.gone(&id)?;
            }
        }
        for item in items {
            if self.known.insert(text(&item, "id")) {
                match decider {
                    Decider::Person(person) => person.show(item)?,
                    Decider::Program => programs::show(self.client, &item).await?,
                }
            }
        }
        Ok(is_whole)
    }
}

impl Decider {
    /// Nobody has to decide about it any more.
    fn gone(&mut self, id: &str) -> Result<(), Failure> {
        match self {
            Decider::Person(person) => person.gone(id),
            Decider::Program => programs::gone(id),
        }
    }
}

fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Unreachable { .. } | Failure::Problem { status: 429 | 500.., .. })
}

fn text(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap_or_default().to_owned()
}

/// The whole of what pauses.
async fn whole(client: &Client, item: &Value) -> Result<Value, Failure> {
    client.get(&["paused", &text(item, "id")], &[("agent", &text(item, "agent"))]).await
}

async fn decide(client: &Client, id: &str, agent: &str, decision: &Value) -> Result<Value, Failure> {
    // Without the agent all are asked.
    let asked: &[(&str, &str)] = if agent.is_empty() { &[] } else { &[("agent", agent)] };
    client.post_to(&["paused", id], asked, decision).await
}
