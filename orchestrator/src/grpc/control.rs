//! One stream per agent: it says hello, is told what to run, again at each change, and answers what became of it.

use std::{sync::Arc, time::Duration};

use prost::bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;
use weir_artifact::Digest;
use weir_proto::{
    MAX_OUTCOMES,
    v1::{
        AgentMessage, Applied, ComponentChunk, ConfigurationOutcome, DesiredState, FetchRequest, FilterOutcome, Hello,
        OrchestratorMessage, RenewRequest, RenewResponse, Settings, agent_message, control_server::Control,
        orchestrator_message,
    },
    version,
};

use super::{Answers, LAST_WORDS, Service, bounded, figures, places::Kind, unavailable};
use crate::{
    clock::now_us,
    commands::{Abilities, Line},
    events::{Event, Failed},
    fleet::{HEARTBEAT, Membership},
    in_transit::Shared,
    interception::told,
    store::{Agent, Configured, Outcome},
};

const CHUNK: usize = 256 << 10;
/// An agent that connects says hello within this time.
const GREETING: Duration = Duration::from_secs(10);
/// Between two notes of `last_seen` on disk.
const SEEN: Duration = Duration::from_secs(60);
const METRICS_INTERVAL_S: u32 = 5;

#[tonic::async_trait]
impl Control for Service {
    type SyncStream = Answers<OrchestratorMessage>;

    async fn sync(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Self::SyncStream>, Status> {
        let (agent, ends_us) = self.certified(&request).await?;
        let noted = self.orchestrator.store.agent_certified(agent.number, ends_us).await;
        noted.map_err(|error| unavailable(&error))?;
        let (answers, out) = mpsc::channel(8);
        let service = self.clone();
        let messages = request.into_inner();
        let id = agent.id;
        let follow = async move {
            if let Err(status) = service.follow((&agent, ends_us), messages, &answers).await {
                tracing::info!(agent = %id, reason = status.message(), "control stream ended");
                // Nobody may be there to hear it, or take anything.
                let _ = timeout(LAST_WORDS, answers.send(Err(status))).await;
            }
        };
        tokio::spawn(follow.instrument(tracing::info_span!("control", agent = %id)));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    type FetchStream = Answers<ComponentChunk>;

    async fn fetch(&self, request: Request<FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let agent = self.caller(&request).await?;
        let place = self.place(&agent, Kind::Component)?;
        let digest = request
            .into_inner()
            .digest
            .parse::<Digest>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let store = &self.orchestrator.store;
        let visible = store.may_see(&digest, &agent.group).await.map_err(|error| unavailable(&error))?;
        // What another group may see looks the same as what is not there.
        let absent = || Status::not_found(format!("no component {digest} for group `{}`", agent.group));
        if !visible {
            return Err(absent());
        }
        let bytes = self.orchestrator.in_transit.share(digest, || store.component(&digest)).await;
        let bytes = bytes.map_err(|error| unavailable(&error))?.ok_or_else(absent)?;
        let (out, answer) = mpsc::channel(1);
        let patience = self.orchestrator.limits.answer_time;
        tokio::spawn(async move {
            let _place = place;
            for chunk in chunks(&bytes) {
                // The whole is in memory for as long as this goes on.
                if !matches!(timeout(patience, out.send(Ok(chunk))).await, Ok(Ok(()))) {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answer))))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let agent = self.caller(&request).await?;
        let signed = self.orchestrator.pki.sign_agent(agent.id, &request.into_inner().certificate_request);
        let chain = signed.map_err(|error| Status::invalid_argument(error.to_string()))?;
        tracing::info!(agent = %agent.id, "an agent renewed its certificate");
        Ok(Response::new(RenewResponse { certificate_chain: chain.into_iter().map(Into::into).collect() }))
    }
}

/// Copies: one that nobody takes is not to keep the whole.
fn chunks(whole: &Shared) -> impl Iterator<Item = ComponentChunk> {
    let total = whole.len() as u64;
    whole.chunks(CHUNK).map(move |chunk| ComponentChunk { data: Bytes::copy_from_slice(chunk), total })
}

type Out = mpsc::Sender<Result<OrchestratorMessage, Status>>;

impl Service {
    /// Until the agent goes, its newer stream takes over, or the server stops.
    async fn follow(
        &self,
        (agent, ends_us): (&Agent, u64),
        mut messages: Streaming<AgentMessage>,
        out: &Out,
    ) -> Result<(), Status> {
        let hello = timeout(GREETING, messages.message()).await;
        let hello = hello.map_err(|_| Status::deadline_exceeded("no hello"))??;
        let Some(AgentMessage { message: Some(agent_message::Message::Hello(hello)) }) = hello else {
            return Err(Status::invalid_argument("the first message has to be hello"));
        };
        let hello = Hello {
            name: bounded(&hello.name, 255),
            version: bounded(&hello.version, 64),
            listen: bounded(&hello.listen, 255),
            admin: bounded(&hello.admin, 255),
            commands: words(hello.commands),
            allowed: words(hello.allowed),
            ..hello
        };
        if let Err(apart) = self.agrees(agent, &hello.version) {
            // People look for its version where they look for it.
            let noted = self.orchestrator.store.agent_connected(agent.number, &hello, now_us()).await;
            noted.map_err(|error| unavailable(&error))?;
            return Err(apart);
        }
        let (version, commands, allowed) = (hello.version.clone(), hello.commands.clone(), hello.allowed.clone());
        let line = Line::new(out.clone(), Abilities { version, commands, allowed });
        let mut news = self.orchestrator.fleet.news();
        let member = self.orchestrator.fleet.enter(agent.number, line);
        let greeted = self.orchestrator.store.agent_connected(agent.number, &hello, now_us()).await;
        greeted.map_err(|error| unavailable(&error))?;
        tracing::info!(agent = %agent.id, name = hello.name, revision = hello.revision, "agent connected");
        self.orchestrator.telemetry.agent_connected();
        self.orchestrator.events.publish(Event::AgentConnected {
            agent: agent.id,
            name: hello.name,
            group: agent.group.clone(),
            version: hello.version,
        });
        let ended = self.converse((agent, ends_us), &mut messages, out, &member, &mut news).await;
        self.orchestrator.telemetry.agent_disconnected();
        drop(member);
        // It may have another stream, here or at another orchestrator.
        if self.orchestrator.fleet.presence(agent.number).is_none() {
            self.orchestrator.events.publish(Event::AgentDisconnected { agent: agent.id });
        }
        if let Err(error) = self.orchestrator.store.agent_seen(agent.number, now_us()).await {
            tracing::debug!(%error, "last seen is not noted");
        }
        ended
    }

    async fn converse(
        &self,
        (agent, ends_us): (&Agent, u64),
        messages: &mut Streaming<AgentMessage>,
        out: &Out,
        member: &Membership,
        news: &mut tokio::sync::watch::Receiver<u64>,
    ) -> Result<(), Status> {
        let heartbeat_interval_s = u32::try_from(HEARTBEAT.as_secs()).unwrap_or(u32::MAX);
        let version = version::VERSION.to_owned();
        let settings = Settings { metrics_interval_s: METRICS_INTERVAL_S, heartbeat_interval_s, version };
        say(out, orchestrator_message::Message::Settings(settings)).await?;
        // Whatever it is at, and however long the agent takes nothing.
        tokio::select! {
            status = self.over(agent, ends_us) => Err(status),
            () = member.superseded() => Err(Status::aborted("a newer stream of this agent took over")),
            () = self.stop.cancelled() => Err(Status::unavailable("the orchestrator is shutting down")),
            () = out.closed() => Ok(()),
            ended = self.talk(agent, messages, out, member, news) => ended,
        }
    }

    async fn talk(
        &self,
        agent: &Agent,
        messages: &mut Streaming<AgentMessage>,
        out: &Out,
        member: &Membership,
        news: &mut tokio::sync::watch::Receiver<u64>,
    ) -> Result<(), Status> {
        let mut sent = None;
        self.tell_state(agent, out, &mut sent).await?;
        let mut noted = Instant::now();
        loop {
            tokio::select! {
                message = messages.message() => {
                    let Some(message) = message? else { return Ok(()) };
                    self.paces.message(agent.id).await;
                    self.hear(agent, message, member).await?;
                    if noted.elapsed() > SEEN {
                        noted = Instant::now();
                        let seen = self.orchestrator.store.agent_seen(agent.number, now_us()).await;
                        seen.map_err(|error| unavailable(&error))?;
                    }
                }
                changed = news.changed() => {
                    changed.map_err(|_| Status::unavailable("the orchestrator is shutting down"))?;
                    self.tell_state(agent, out, &mut sent).await?;
                }
            }
        }
    }

    /// The state of the agent's group, unless it is the one that was sent last.
    async fn tell_state(&self, agent: &Agent, out: &Out, sent: &mut Option<u64>) -> Result<(), Status> {
        let state: DesiredState =
            self.orchestrator.store.desired_state(&agent.group).await.map_err(|error| unavailable(&error))?;
        if *sent == Some(state.revision) {
            return Ok(());
        }
        *sent = Some(state.revision);
        say(out, orchestrator_message::Message::State(state)).await
    }

    async fn hear(&self, agent: &Agent, message: AgentMessage, member: &Membership) -> Result<(), Status> {
        match message.message {
            Some(agent_message::Message::Heartbeat(heartbeat)) => {
                member.heard(Some(Arc::new(figures::bounded(heartbeat))));
                Ok(())
            }
            Some(agent_message::Message::Applied(applied)) => {
                member.heard(None);
                self.note_applied(agent, applied).await
            }
            Some(agent_message::Message::Answer(answer)) => {
                member.heard(None);
                member.answered(answer);
                Ok(())
            }
            Some(agent_message::Message::Hello(_)) => Err(Status::invalid_argument("hello was said before")),
            Some(agent_message::Message::Paused(paused)) => {
                member.heard(None);
                told::paused(agent, &paused).into_iter().for_each(|event| self.orchestrator.events.publish(event));
                Ok(())
            }
            Some(agent_message::Message::PauseEnded(ended)) => {
                member.heard(None);
                if let Some(event) = told::ended(agent, &ended) {
                    let how = ended.how.as_ref().map_or("", |how| &how.decision);
                    self.orchestrator.telemetry.pause_ended(how);
                    self.orchestrator.events.publish(event);
                }
                Ok(())
            }
            // A message of a later version.
            None => Ok(()),
        }
    }

    async fn note_applied(&self, agent: &Agent, applied: Applied) -> Result<(), Status> {
        if applied.filters.len() > MAX_OUTCOMES {
            return Err(Status::invalid_argument(format!("more than {MAX_OUTCOMES} outcomes")));
        }
        let outcomes: Vec<Outcome> = applied.filters.into_iter().map(outcome).collect();
        for outcome in outcomes.iter().filter(|outcome| !outcome.phase.is_empty()) {
            tracing::warn!(
                agent = %agent.id, filter = outcome.name, version = outcome.version, phase = outcome.phase,
                reason = outcome.reason, "the agent does not run the newest statement"
            );
        }
        let store = &self.orchestrator.store;
        // Before the revision: whoever waits for that reads this next.
        if let Some(outcome) = applied.configuration {
            let configured = configured(outcome);
            if !configured.active {
                let Configured { version, phase, reason, .. } = &configured;
                tracing::warn!(agent = %agent.id, version, phase, reason, "the agent does not take the newest configuration");
            }
            let noted = store.note_configured(agent.number, &configured, now_us()).await;
            noted.map_err(|error| unavailable(&error))?;
        }
        let (revision, took_us) = (applied.revision, applied.took_us);
        let stored = store.applied(agent.number, revision, took_us, &outcomes, now_us()).await;
        stored.map_err(|error| unavailable(&error))?;
        let failed: Vec<Failed> = outcomes.into_iter().filter(|it| !it.phase.is_empty()).map(failed).collect();
        self.orchestrator.events.publish(if failed.is_empty() {
            Event::RevisionApplied { agent: agent.id, revision, took_us }
        } else {
            Event::RevisionFailed { agent: agent.id, revision, filters: failed }
        });
        Ok(())
    }
}

/// In an event, which is short: the whole reason is in the list of agents.
fn failed(Outcome { name, version, phase, reason, .. }: Outcome) -> Failed {
    Failed { name, version, phase, reason: bounded(&reason, 256) }
}

fn outcome(outcome: FilterOutcome) -> Outcome {
    Outcome {
        name: bounded(&outcome.name, 64),
        version: outcome.version,
        digest: bounded(&outcome.digest, 80),
        active: outcome.active,
        phase: bounded(&outcome.phase, 64),
        reason: bounded(&outcome.reason, 4 << 10),
    }
}

/// Names, as an agent says them.
fn words(words: Vec<String>) -> Vec<String> {
    let word =
        |word: &String| (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    words.into_iter().filter(word).take(32).collect()
}

fn configured(outcome: ConfigurationOutcome) -> Configured {
    let pinned = outcome.pinned.iter().take(256).map(|key| bounded(key, 64).replace(',', "")).collect();
    Configured {
        version: outcome.version,
        digest: bounded(&outcome.digest, 80),
        active: outcome.active,
        phase: bounded(&outcome.phase, 64),
        reason: bounded(&outcome.reason, 4 << 10),
        in_force: outcome.in_force,
        pinned,
    }
}

async fn say(out: &Out, message: orchestrator_message::Message) -> Result<(), Status> {
    let sent = out.send(Ok(OrchestratorMessage { message: Some(message) })).await;
    sent.map_err(|_| Status::cancelled("the agent went away"))
}
