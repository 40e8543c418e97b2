//! A signed statement goes to the server; then the agents' answers are waited for.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_artifact::{GroupName, PublisherKey, Statement};

use super::{
    client::Client,
    failure::Failure,
    output, person,
    units::{self, duration},
};

/// Asking again: soon at first, since agents answer within milliseconds, then less often.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Whether to wait for agents.
#[derive(Debug, Clone, Args)]
pub(crate) struct Waiting {
    /// Do not wait for agents to answer
    #[arg(long)]
    no_wait: bool,
    /// How long connected agents may take to answer
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, conflicts_with = "no_wait")]
    wait_timeout: Duration,
}

/// What the server answers to a statement.
#[derive(Debug, Deserialize)]
pub(crate) struct Posted {
    pub(crate) revision: u64,
}

/// One agent's answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answer {
    agent: String,
    name: String,
    done: bool,
    /// Milliseconds from sending the statement, at the resolution of asking again.
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Agent {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    revision: u64,
}

#[derive(Deserialize)]
struct Applied {
    #[serde(default)]
    agents: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    agent: String,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

const NO_REASON: &str = "no reason given";
const OLDER: &str = "it says nothing of configurations: is it of an older version?";

impl Outcome {
    /// Phase and reason, where the newest statement was refused.
    fn refusal(&self) -> Option<(&str, &str)> {
        let phase = self.phase.as_deref().filter(|phase| !phase.is_empty())?;
        Some((phase, self.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or(NO_REASON)))
    }
}

/// Signs and posts.
pub(crate) async fn post(
    client: &Client,
    key: &PublisherKey,
    statement: &Statement,
    component: Option<&[u8]>,
) -> Result<Posted, Failure> {
    let envelope = key.sign(statement);
    let body = json!({
        "statement": BASE64.encode(&envelope.statement),
        "signature": BASE64.encode(&envelope.signature),
        "key_id": envelope.key_id,
        "public_key": key.public().to_text(),
        "component": component.map(|bytes| BASE64.encode(bytes)),
    });
    let path = if matches!(statement, Statement::Configure(_)) { "configurations" } else { "filters" };
    client.post(&[path], &body).await
}

/// Posts a statement about a filter, or a configuration, and sees it through.
pub(crate) struct Sending<'a> {
    pub(crate) client: &'a Client,
    pub(crate) key: &'a PublisherKey,
    pub(crate) statement: &'a Statement,
    pub(crate) component: Option<&'a [u8]>,
    pub(crate) waiting: &'a Waiting,
    /// Tell each answer as it comes.
    pub(crate) tell: bool,
}

impl Sending<'_> {
    /// Gives the revision and the answers of the agents that were connected.
    pub(crate) async fn send(
        &self,
        announce: impl FnOnce(&Posted) -> String,
    ) -> Result<(Posted, Vec<Answer>), Failure> {
        if let Statement::Endorse(_) = self.statement {
            return Ok((post(self.client, self.key, self.statement, self.component).await?, Vec::new()));
        }
        let group = self.statement.group();
        let expected = if self.waiting.no_wait { Vec::new() } else { connected(self.client, group).await? };
        let began = Instant::now();
        let posted = post(self.client, self.key, self.statement, self.component).await?;
        if self.tell {
            output::say(announce(&posted))?;
            if expected.is_empty() && !self.waiting.no_wait {
                output::say(format!("no agent of group {group} is connected; those that connect later get it then"))?;
            }
        }
        let answers = self.wait(group, posted.revision, expected, began).await?;
        Ok((posted, answers))
    }

    async fn wait(
        &self,
        group: &GroupName,
        revision: u64,
        expected: Vec<Agent>,
        began: Instant,
    ) -> Result<Vec<Answer>, Failure> {
        let mut open: BTreeMap<String, Agent> = expected.into_iter().map(|agent| (agent.id.clone(), agent)).collect();
        let mut answers = Vec::new();
        let mut pause = FIRST_PAUSE;
        while !open.is_empty() {
            // In this order: what an agent says of the filter is then no older than the revision it has acknowledged.
            let agents = agents(self.client, group).await?;
            let outcomes = self.outcomes(group).await?;
            for agent in agents {
                let Some(answer) = self.answer(&agent, revision, outcomes.get(&agent.id), began) else { continue };
                if open.remove(&agent.id).is_some() {
                    self.tell(&answer)?;
                    answers.push(answer);
                }
            }
            if open.is_empty() || began.elapsed() >= self.waiting.wait_timeout {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
        for agent in open.into_values() {
            let reason = format!("no answer within {}", units::took(micros(self.waiting.wait_timeout)));
            let answer = answered(&agent, began, Some(("wait", &reason)));
            self.tell(&answer)?;
            answers.push(answer);
        }
        Ok(answers)
    }

    /// What an agent has to say by now, if anything.
    fn answer(&self, agent: &Agent, revision: u64, outcome: Option<&Outcome>, began: Instant) -> Option<Answer> {
        let acked = agent.revision >= revision;
        let publication = match self.statement {
            Statement::Publish(publication) => publication,
            Statement::Configure(configuration) => {
                let said = outcome.filter(|outcome| outcome.version == configuration.version);
                let refusal = said.map_or(Some(("apply", OLDER)), Outcome::refusal);
                return acked.then(|| answered(agent, began, refusal));
            }
            Statement::Remove(_) | Statement::Endorse(_) => {
                // An agent to which the removal is no news says nothing of it.
                let refusal = outcome.and_then(Outcome::refusal);
                return acked.then(|| answered(agent, began, refusal));
            }
        };
        let outcome = match outcome {
            Some(outcome) if acked => outcome,
            _ => return None,
        };
        let same_digest = outcome.digest.as_ref().is_none_or(|digest| *digest == publication.digest.to_string());
        if outcome.active && outcome.version == publication.version && same_digest {
            return Some(answered(agent, began, None));
        }
        Some(answered(agent, began, Some(outcome.refusal().unwrap_or(("apply", NO_REASON)))))
    }

    async fn outcomes(&self, group: &GroupName) -> Result<BTreeMap<String, Outcome>, Failure> {
        let applied: Option<Applied> = match self.statement.subject() {
            Some((_, name, _)) => self.client.find(&["filters", name.as_str()], &[("group", group.as_str())]).await?,
            None => self.client.find(&["configurations", group.as_str()], &[]).await?,
        };
        let agents = applied.map(|applied| applied.agents).unwrap_or_default();
        Ok(agents.into_iter().map(|outcome| (outcome.agent.clone(), outcome)).collect())
    }

    fn tell(&self, answer: &Answer) -> Result<(), Failure> {
        if !self.tell {
            return Ok(());
        }
        let name = person::line(&answer.name);
        let line = match (&answer.phase, &answer.reason) {
            (Some(phase), Some(reason)) => {
                format!("  {name}: refused: {}: {}", person::line(phase), person::line(reason))
            }
            _ => format!("  {name}: {} after {} ms", self.done_word(), answer.took_ms),
        };
        Ok(output::say(line)?)
    }

    fn done_word(&self) -> &'static str {
        match self.statement {
            Statement::Publish(_) => "active",
            Statement::Configure(_) => "in force",
            Statement::Remove(_) | Statement::Endorse(_) => "done",
        }
    }
}

/// Success unless an agent refused; what was refused has been told.
pub(crate) fn verdict(answers: &[Answer]) -> Result<(), Failure> {
    if answers.iter().all(|answer| answer.done) { Ok(()) } else { Err(Failure::Told) }
}

fn answered(agent: &Agent, began: Instant, refusal: Option<(&str, &str)>) -> Answer {
    Answer {
        agent: agent.id.clone(),
        name: if agent.name.is_empty() { agent.id.clone() } else { agent.name.clone() },
        done: refusal.is_none(),
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        phase: refusal.map(|(phase, _)| phase.to_owned()),
        reason: refusal.map(|(_, reason)| reason.to_owned()),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

async fn connected(client: &Client, group: &GroupName) -> Result<Vec<Agent>, Failure> {
    Ok(agents(client, group).await?.into_iter().filter(|agent| agent.state == "connected").collect())
}

async fn agents(client: &Client, group: &GroupName) -> Result<Vec<Agent>, Failure> {
    let items = client.all(&["agents"]).await?;
    let mut agents = Vec::with_capacity(items.len());
    for item in items {
        let agent: Agent = serde_json::from_value(item)
            .map_err(|error| Failure::Answer { asked: "GET /api/v1/agents".to_owned(), reason: error.to_string() })?;
        if agent.group == group.as_str() {
            agents.push(agent);
        }
    }
    Ok(agents)
}
