//! What an orchestrator tells the agent to do. Enters: a command; leaves: its one answer. What the agent's operator does not
//! allow is not done, whoever asks.

mod breakpoints;
mod connections;
mod replay;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use weir_proto::v1::{
    AgentMessage, Answer, Command, Problem, ProblemKind, agent_message, answer, command::Command as What,
};

use crate::{config::Allowed, worker::Shared};

/// Commands that are carried out at a time.
const AT_ONCE: usize = 32;
/// No command is worked at for longer, whatever it asks.
const LONGEST: Duration = Duration::from_secs(600);

/// Carries out commands.
pub(super) struct Commands {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
    replays: Arc<Semaphore>,
}

impl Commands {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        Self { shared: Arc::clone(shared), turns: turns(AT_ONCE), replays: turns(replay::AT_ONCE) }
    }

    /// Of this version, by the names that operators write.
    pub(super) fn known() -> Vec<String> {
        [Allowed::Connections, Allowed::Replay, Allowed::Breakpoints].map(|known| known.name().to_owned()).into()
    }

    pub(super) fn allowed(&self) -> Vec<String> {
        self.shared.config.control.allow.iter().map(|allowed| allowed.name().to_owned()).collect()
    }

    /// Begins with it; the answer goes to `say`, or nowhere if the conversation has ended by then.
    pub(super) async fn begin(&self, command: Command, say: &mpsc::Sender<AgentMessage>) {
        let Command { id, within_ms, command } = command;
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            let busy = problem(ProblemKind::Busy, format!("the agent carries out {AT_ONCE} commands already"));
            // no more is read before this is on its way
            return drop(say.send(message(id, Err(busy))).await);
        };
        let (shared, replays, say) = (Arc::clone(&self.shared), Arc::clone(&self.replays), say.clone());
        let within = Duration::from_millis(within_ms.into()).min(LONGEST);
        tokio::spawn(async move {
            let late = |_| Err(problem(ProblemKind::TooLate, "the agent could not do it in time".to_owned()));
            let done = tokio::select! {
                done = timeout(within, carry_out(&shared, &replays, command, within)) => done.unwrap_or_else(late),
                () = say.closed() => return,
            };
            let _ = say.send(message(id, done)).await;
            drop(turn);
        });
    }
}

async fn carry_out(
    shared: &Arc<Shared>,
    replays: &Arc<Semaphore>,
    command: Option<What>,
    within: Duration,
) -> Result<answer::Answer, Problem> {
    match command {
        Some(What::Replay(replay)) => {
            allows(shared, Allowed::Replay)?;
            replay::replay(shared, replays, replay, within).await.map(answer::Answer::Replayed)
        }
        Some(What::ListConnections(list)) => {
            allows(shared, Allowed::Connections)?;
            connections::list(shared, list).await.map(answer::Answer::Connections)
        }
        Some(What::CloseConnections(close)) => {
            allows(shared, Allowed::Connections)?;
            connections::close(shared, close).await.map(answer::Answer::Closed)
        }
        Some(What::SetBreakpoints(wanted)) => {
            allows(shared, Allowed::Breakpoints)?;
            Ok(answer::Answer::Breakpoints(shared.interception.set(wanted)))
        }
        Some(What::ListPaused(_)) => {
            allows(shared, Allowed::Breakpoints)?;
            Ok(answer::Answer::PausedList(shared.interception.list()))
        }
        Some(What::ReadPaused(read)) => {
            allows(shared, Allowed::Breakpoints)?;
            breakpoints::read(shared, &read).map(answer::Answer::Held)
        }
        Some(What::Decide(decide)) => {
            allows(shared, Allowed::Breakpoints)?;
            breakpoints::decide(shared, decide).map(answer::Answer::Decided)
        }
        None => {
            let version = env!("CARGO_PKG_VERSION");
            Err(problem(ProblemKind::Unknown, format!("the agent is of version {version}, which does not know this")))
        }
    }
}

/// Does the agent's operator allow it?
fn allows(shared: &Shared, what: Allowed) -> Result<(), Problem> {
    let allow = &shared.config.control.allow;
    if allow.contains(&what) {
        return Ok(());
    }
    let mut wanted: Vec<&str> = allow.iter().chain([&what]).map(|allowed| allowed.name()).collect();
    wanted.dedup();
    let wanted = wanted.join(",");
    let text = format!("the agent's operator does not allow `{}`: start the agent with --allow {wanted}", what.name());
    Err(problem(ProblemKind::NotAllowed, text))
}

pub(super) fn problem(kind: ProblemKind, text: String) -> Problem {
    Problem { kind: kind.into(), text }
}

fn message(id: prost::bytes::Bytes, done: Result<answer::Answer, Problem>) -> AgentMessage {
    let answer = Some(done.unwrap_or_else(answer::Answer::Problem));
    AgentMessage { message: Some(agent_message::Message::Answer(Answer { id, answer })) }
}
