//! Commands to agents that are connected to another orchestrator on the same database: by mail through the database, of
//! which a notification tells. With SQLite there are no others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_proto::v1::{Answer, Command, Problem, ProblemKind, answer, command};

use super::{not_connected, odd_answer, only_asks, problem};
use crate::{
    orchestrator::Orchestrator,
    store::{Letter, Mail, Store},
};

/// Commands for agents elsewhere, at a time; and of those that only ask, or are among so many.
const AT_ONCE: usize = 256;
const LOOKS_AT_ONCE: usize = AT_ONCE / 2;
/// For the mail to go both ways, on top of the agent's own time.
const ON_THE_WAY: Duration = Duration::from_secs(1);
/// Between two attempts while the database is away.
const PAUSE: Duration = Duration::from_secs(1);

/// What this orchestrator has asked others.
pub(crate) struct Relay {
    /// names this one among those on the database, until it ends
    pub(crate) own: Uuid,
    waiting: Mutex<HashMap<Uuid, oneshot::Sender<answer::Answer>>>,
}

impl Default for Relay {
    fn default() -> Self {
        Self { own: Uuid::new_v4(), waiting: Mutex::default() }
    }
}

impl Relay {
    /// # Errors
    /// As [`super::Line::ask`].
    pub(super) async fn ask(
        &self,
        store: &Store,
        agent: i64,
        command: command::Command,
        within: Duration,
    ) -> Result<answer::Answer, Problem> {
        let unsent = |error| {
            tracing::warn!(%error, "a command cannot be passed on");
            problem(ProblemKind::NotConnected, "the database does not answer, so no other orchestrator can be asked")
        };
        let to = store.whereabouts(agent, self.own).await.map_err(unsent)?.ok_or_else(not_connected)?;
        let id = Uuid::new_v4();
        let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        let most = if only_asks(&command) { LOOKS_AT_ONCE } else { AT_ONCE };
        let command = Command { id: id.into_bytes().to_vec().into(), within_ms, command: Some(command) };
        let (answer, receiver) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= most {
                return Err(problem(ProblemKind::Busy, format!("{most} commands wait already: try again")));
            }
            waiting.insert(id, answer);
        }
        let _forget = Forget { relay: self, id };
        let letter = Letter { from: self.own, agent: Some(agent), body: command.encode_to_vec() };
        store.send_letter(to, &letter).await.map_err(unsent)?;
        let late = |_| problem(ProblemKind::TooLate, format!("the agent, elsewhere, did not answer within {within:?}"));
        match timeout(within + ON_THE_WAY, receiver).await.map_err(late)? {
            Ok(answer::Answer::Problem(problem)) => Err(problem),
            Ok(answer) => Ok(answer),
            Err(_) => Err(problem(ProblemKind::Lost, "nobody waits for the answer")),
        }
    }

    fn answered(&self, body: &[u8]) {
        let Ok(Answer { id, answer }) = Answer::decode(body) else { return };
        let waiting = Uuid::from_slice(&id).ok().and_then(|id| self.waiting.lock().remove(&id));
        if let Some(waiting) = waiting {
            // Of an orchestrator of a later version.
            let _ = waiting.send(answer.unwrap_or_else(|| answer::Answer::Problem(odd_answer())));
        }
    }
}

struct Forget<'a> {
    relay: &'a Relay,
    id: Uuid,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.relay.waiting.lock().remove(&self.id);
    }
}

/// Takes what others send: commands for agents that are here, and answers.
pub(crate) async fn carry(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    if !orchestrator.store.has_others() {
        return stop.cancelled().await;
    }
    let own = orchestrator.relay.own;
    let mut mail = Mail::default();
    loop {
        tokio::select! {
            () = mail.wait(&orchestrator.store, own) => {}
            () = stop.cancelled() => return,
        }
        match orchestrator.store.take_letters(own).await {
            Ok(letters) => letters.into_iter().for_each(|letter| receive(&orchestrator, letter)),
            Err(error) => {
                tracing::debug!(%error, "mail of other orchestrators cannot be read");
                sleep(PAUSE).await;
            }
        }
    }
}

fn receive(orchestrator: &Arc<Orchestrator>, letter: Letter) {
    let Some(agent) = letter.agent else { return orchestrator.relay.answered(&letter.body) };
    let Ok(Command { id, within_ms, command }) = Command::decode(&*letter.body) else {
        return tracing::warn!("another orchestrator asks for something that cannot be read");
    };
    let orchestrator = Arc::clone(orchestrator);
    tokio::spawn(async move {
        let within = Duration::from_millis(within_ms.into());
        let done = match (orchestrator.fleet.line(agent), command) {
            (Some(line), Some(command)) => line.ask(command, within).await,
            (None, _) => Err(not_connected()),
            (_, None) => {
                let text = "the orchestrator that the agent is connected to is of an earlier version, which does not know this: \
                            upgrade it";
                Err(problem(ProblemKind::Unknown, text))
            }
        };
        let answer = Answer { id, answer: Some(done.unwrap_or_else(answer::Answer::Problem)) };
        let back = Letter { from: orchestrator.relay.own, agent: None, body: answer.encode_to_vec() };
        if let Err(error) = orchestrator.store.send_letter(letter.from, &back).await {
            tracing::warn!(%error, "an answer to another orchestrator was lost");
        }
    });
}
