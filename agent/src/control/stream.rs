//! The conversation with the orchestrator: hello, heartbeats and answers go out, desired states and settings come in. It
//! ends and begins anew as the network does; what is active goes on regardless.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, transport::Channel};
use weir_proto::{
    MAX_MESSAGE_BYTES,
    v1::{
        AgentMessage, Applied, DesiredState, Heartbeat, Hello, OrchestratorMessage, agent_message,
        control_client::ControlClient, orchestrator_message,
    },
};

use super::{Applier, BackOff, Link, Parting, commands::Commands, figures};
use crate::worker::Shared;

const HEARTBEAT: Duration = Duration::from_secs(5);
/// A conversation this long was disturbed by nobody.
const CALM: Duration = Duration::from_secs(60);

/// What the orchestrator may change while the agent runs.
pub struct Settings {
    /// where nobody has set it
    pub metrics_interval: watch::Sender<Option<Duration>>,
}

/// What the agent says about itself.
#[derive(Debug, Clone)]
pub struct Introduction {
    /// host name, for people
    pub name: String,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
}

/// The agent's end of `Control.Sync`.
pub struct Control {
    pub shared: Arc<Shared>,
    pub link: Link,
    pub introduction: Introduction,
    pub settings: Settings,
    /// Becomes true when a desired state has been applied and leaves no exchange without a filter that it must not lack.
    pub applied: watch::Sender<bool>,
}

/// Why a conversation ended.
struct Ended {
    reason: String,
    /// it wants not to be asked again before
    wait: Option<Duration>,
    /// a newer stream of this agent took its place
    is_superseded: bool,
    /// this side ended it, to begin anew with a new certificate
    is_renewed: bool,
}

impl Ended {
    fn by(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: None, is_superseded: false, is_renewed: false }
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        let (code, message) = (status.code(), status.message().to_owned());
        let Parting { reason, wait } = status.into();
        let reason = match code {
            // in its own words: what to upgrade
            Code::FailedPrecondition => format!("it refuses this agent: {message}"),
            _ => reason,
        };
        Self { wait, is_superseded: code == Code::Aborted, ..Self::by(reason) }
    }
}

/// How long to wait before the next conversation.
#[derive(Default)]
struct Waits {
    broken: BackOff,
    /// Two that take the place from one another have each been talked to: nothing else slows them down.
    rivals: BackOff,
}

impl Waits {
    fn after(&mut self, ended: &Ended, lasted: Duration) -> Duration {
        if lasted > CALM {
            self.rivals.reset();
        }
        let wait = self.broken.wait_at_least(ended.wait);
        if ended.is_superseded { wait.max(self.rivals.wait()) } else { wait }
    }
}

type State = Option<(DesiredState, Channel)>;

impl Control {
    /// For ever: connects, talks, and after each break waits a little longer.
    pub async fn run(self, applier: Applier) {
        weir_proto::on_unknown(|part, field| {
            tracing::warn!(
                part,
                field,
                "an orchestrator of a later version says more than this agent understands: it is left out"
            );
        });
        let (states, incoming) = watch::channel::<State>(None);
        let (answers, mut outgoing) = mpsc::channel(4);
        let revision = watch::Sender::new(applier.revision());
        let apply = apply_each(applier, incoming, answers, &revision, &self.applied);
        let commands = Commands::new(&self.shared);
        let talk = async {
            let mut waits = Waits::default();
            loop {
                let began = Instant::now();
                let ended = self.talk(&states, &mut outgoing, &revision, &commands, &mut waits.broken).await;
                // what pauses waits for whoever is there next, but not for long
                self.shared.interception.lost();
                if ended.is_renewed {
                    continue;
                }
                let reason = &ended.reason;
                // said once per break; that it is over says `talk`
                if waits.broken.is_fresh() {
                    tracing::warn!("the orchestrator is away ({reason}); what is active goes on");
                }
                if ended.is_superseded {
                    tracing::warn!("does another process use the identity of this agent, a copy of its data dir?");
                }
                let wait = waits.after(&ended, began.elapsed());
                tracing::debug!("the orchestrator is away ({reason}); next attempt in {wait:.1?}");
                sleep(wait).await;
            }
        };
        tokio::join!(apply, talk);
    }

    /// One conversation; why it ended.
    async fn talk(
        &self,
        states: &watch::Sender<State>,
        answers: &mut mpsc::Receiver<Applied>,
        revision: &watch::Sender<u64>,
        commands: &Commands,
        back_off: &mut BackOff,
    ) -> Ended {
        let mut renewals = self.link.renewals();
        let channel = match self.link.connect().await {
            Ok(channel) => channel,
            Err(error) => return Ended::by(Parting::from(error).reason),
        };
        let (say, messages) = mpsc::channel(16);
        let hello = agent_message::Message::Hello(self.hello(*revision.borrow(), commands));
        if say.send(AgentMessage { message: Some(hello) }).await.is_err() {
            return Ended::by("the stream was not taken up");
        }
        let mut client = ControlClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut heard = match client.sync(ReceiverStream::new(messages)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return self.refused(status),
        };
        let mut is_first = true;
        tracing::info!("connected to the orchestrator");
        let mut beat = heartbeat(HEARTBEAT);
        loop {
            let message = tokio::select! {
                message = heard.message() => match message {
                    Ok(Some(OrchestratorMessage { message: Some(message) })) => {
                        is_first = false;
                        back_off.reset();
                        match message {
                            orchestrator_message::Message::Command(command) => commands.begin(command, &say).await,
                            message => {
                                if let Some(period) = self.hear(message, states, &channel) {
                                    beat = heartbeat(period);
                                }
                            }
                        }
                        continue;
                    }
                    // a newer orchestrator may say more than this agent understands
                    Ok(Some(OrchestratorMessage { message: None })) => continue,
                    Ok(None) => return Ended::by("it ended the stream"),
                    Err(status) if is_first => return self.refused(status),
                    Err(status) => return status.into(),
                },
                // components are fetched over this connection, for as long as its certificate lasts
                Ok(()) = renewals.changed() => return Ended { is_renewed: true, ..Ended::by("renewed") },
                Some(applied) = answers.recv() => agent_message::Message::Applied(applied),
                () = self.shared.interception.has_news() => {
                    for message in self.shared.interception.news() {
                        if say.send(AgentMessage { message: Some(message) }).await.is_err() {
                            return Ended::by("it stopped listening");
                        }
                    }
                    continue;
                }
                _ = beat.tick() => agent_message::Message::Heartbeat(self.heartbeat(*revision.borrow())),
            };
            if say.send(AgentMessage { message: Some(message) }).await.is_err() {
                return Ended::by("it stopped listening");
            }
        }
    }

    /// Before it has said anything: where there are others, one of them may be able to.
    fn refused(&self, status: Status) -> Ended {
        let code = status.code();
        // of several orchestrators one may be of the agent's version, or a neighbour
        if matches!(
            code,
            Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Internal | Code::FailedPrecondition
        ) {
            self.link.pass_over();
        }
        status.into()
    }

    /// A new period for heartbeats, if there is one.
    fn hear(
        &self,
        message: orchestrator_message::Message,
        states: &watch::Sender<State>,
        channel: &Channel,
    ) -> Option<Duration> {
        match message {
            // a state that comes while another is applied takes the place of those that wait
            orchestrator_message::Message::State(state) => {
                states.send_replace(Some((state, channel.clone())));
                None
            }
            orchestrator_message::Message::Settings(settings) => {
                if !settings.version.is_empty() {
                    tracing::info!("the orchestrator is of version {:?}", settings.version);
                }
                if settings.metrics_interval_s != 0 {
                    let interval = Some(Duration::from_secs(u64::from(settings.metrics_interval_s.min(3600))));
                    self.settings.metrics_interval.send_if_modified(|own| std::mem::replace(own, interval) != interval);
                }
                let period = u64::from(settings.heartbeat_interval_s.min(3600));
                (period != 0).then(|| Duration::from_secs(period))
            }
            orchestrator_message::Message::Command(_) => None,
        }
    }

    fn hello(&self, revision: u64, commands: &Commands) -> Hello {
        let Introduction { name, listen, admin } = &self.introduction;
        Hello {
            name: name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: listen.to_string(),
            admin: admin.to_string(),
            revision,
            workers: u32::try_from(self.shared.config.workers).unwrap_or(u32::MAX),
            commands: Commands::known(),
            allowed: commands.allowed(),
        }
    }

    fn heartbeat(&self, revision: u64) -> Heartbeat {
        let Shared { stats, recorder, .. } = &*self.shared;
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Heartbeat {
            revision,
            exchanges_total: stats.exchanges_total(),
            exchanges_active: count(stats.exchanges_active()),
            connections_active: count(stats.connections_active()),
            recorder_dropped: recorder.dropped(),
            spooled_bytes: recorder.spool_bytes(),
            filters: figures::of(&self.shared),
        }
    }
}

fn heartbeat(period: Duration) -> tokio::time::Interval {
    let mut beat = interval(period);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

async fn apply_each(
    mut applier: Applier,
    mut states: watch::Receiver<State>,
    answers: mpsc::Sender<Applied>,
    revision: &watch::Sender<u64>,
    is_applied: &watch::Sender<bool>,
) {
    let mut back_off = BackOff::default();
    let mut again = false;
    loop {
        tokio::select! {
            changed = states.changed() => match changed {
                Ok(()) => back_off.reset(),
                Err(_) => return,
            },
            // nobody sends a state twice over a connection that holds, and a component may be there a moment later, the
            // disk have room again, or the clock be right
            () = sleep(back_off.wait()), if again => {}
        }
        let Some((state, channel)) = states.borrow_and_update().clone() else { continue };
        let applied = applier.apply(state, &channel).await;
        let passing = |phase: &str| phase == "fetch" || phase == "sequence" && !applier.is_whole();
        again = !applier.is_kept() || applied.filters.iter().any(|outcome| passing(&outcome.phase));
        tracing::info!(
            "revision {} applied in {} ms, {} of {} statements refused",
            applied.revision,
            applied.took_us / 1000,
            applied.filters.iter().filter(|outcome| !outcome.reason.is_empty()).count(),
            applied.filters.len()
        );
        revision.send_replace(applier.revision());
        if applier.is_whole() {
            is_applied.send_replace(true);
        } else if !*is_applied.borrow() {
            tracing::error!(
                "no client is served yet: a filter that its publisher wants on every exchange does not run"
            );
        }
        // with nobody connected the answer waits; the orchestrator sends the state again to whoever connects
        if answers.try_send(applied).is_err() {
            tracing::debug!("an answer to the orchestrator was dropped: it is away");
        }
    }
}

#[cfg(test)]
mod later_tests;
#[cfg(test)]
mod paced_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rivals_slow_down_though_each_is_talked_to() {
        let (superseded, away) = (Ended::from(Status::aborted("a newer stream")), Ended::by("away"));
        let mut waits = Waits::default();
        let mut wait = Duration::ZERO;
        for _ in 0..10 {
            waits.broken.reset();
            wait = waits.after(&superseded, Duration::ZERO);
        }
        assert!(wait > Duration::from_secs(4), "{wait:?}");
        waits.broken.reset();
        assert!(waits.after(&away, Duration::ZERO) < Duration::from_secs(1), "an end like any other");
        waits.broken.reset();
        assert!(waits.after(&superseded, 2 * CALM) < Duration::from_secs(1), "long undisturbed");
    }
}
