//! The way to one agent that is connected here. Enters: a command; leaves: its answer. Knows which answers are waited for,
//! and tells those who wait when the stream ends.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tonic::Status;
use uuid::Uuid;
use weir_proto::v1::{
    Answer, Command, OrchestratorMessage, Problem, ProblemKind, answer, command, orchestrator_message,
};

use super::{needs, not_connected, only_asks, problem};

/// Commands that one agent has not answered, at a time; and of those that only ask, or are among so many: whoever may look, however
/// often, keeps nobody from doing something.
const AT_ONCE: usize = 64;
const LOOKS_AT_ONCE: usize = AT_ONCE / 2;

/// What an agent said that it can do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities {
    /// of its version, for people
    pub(crate) version: String,
    pub(crate) commands: Vec<String>,
    pub(crate) allowed: Vec<String>,
}

pub(crate) struct Line {
    out: mpsc::Sender<Result<OrchestratorMessage, Status>>,
    abilities: Abilities,
    /// none when the stream has ended
    waiting: Mutex<Option<HashMap<Uuid, oneshot::Sender<answer::Answer>>>>,
}

impl Line {
    pub(crate) fn new(out: mpsc::Sender<Result<OrchestratorMessage, Status>>, abilities: Abilities) -> Self {
        Self { out, abilities, waiting: Mutex::new(Some(HashMap::new())) }
    }

    /// # Errors
    /// The agent cannot, may not, does not in time, or is gone.
    pub(crate) async fn ask(&self, command: command::Command, within: Duration) -> Result<answer::Answer, Problem> {
        self.may(needs(&command))?;
        let id = Uuid::new_v4();
        let answer = self.wait_for(id, if only_asks(&command) { LOOKS_AT_ONCE } else { AT_ONCE })?;
        let _forget = Forget { line: self, id };
        let until = Instant::now() + within;
        let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        let command = Command { id: id.into_bytes().to_vec().into(), within_ms, command: Some(command) };
        let message = OrchestratorMessage { message: Some(orchestrator_message::Message::Command(command)) };
        let late = |_| problem(ProblemKind::TooLate, format!("the agent did not answer within {within:?}"));
        let sent = timeout_at(until, self.out.send(Ok(message))).await.map_err(late)?;
        sent.map_err(|_| not_connected())?;
        let lost = |_| {
            let text = "the agent's connection ended before it answered: it may have done it or not";
            problem(ProblemKind::Lost, text)
        };
        match timeout_at(until, answer).await.map_err(late)?.map_err(lost)? {
            answer::Answer::Problem(problem) => Err(bounded(problem)),
            answer => Ok(answer),
        }
    }

    /// What the agent answers. What nobody waits for any more is dropped.
    pub(crate) fn answered(&self, answer: Answer) {
        let waiting = Uuid::from_slice(&answer.id).ok().and_then(|id| self.waiting.lock().as_mut()?.remove(&id));
        let Some(waiting) = waiting else { return };
        let unknown = || answer::Answer::Problem(problem(ProblemKind::Other, "the agent's answer cannot be read"));
        let _ = waiting.send(answer.answer.unwrap_or_else(unknown));
    }

    /// The stream is over.
    pub(crate) fn end(&self) {
        self.waiting.lock().take();
    }

    fn may(&self, needed: &str) -> Result<(), Problem> {
        let Abilities { version, commands, allowed } = &self.abilities;
        if !commands.iter().any(|known| known == needed) {
            let text = format!("the agent is of version {version}, which does not know `{needed}`: upgrade it");
            return Err(problem(ProblemKind::Unknown, text));
        }
        if !allowed.iter().any(|allowed| allowed == needed) {
            let wanted: Vec<&str> = allowed.iter().map(String::as_str).chain([needed]).collect();
            let wanted = wanted.join(",");
            let text = format!("the agent's operator does not allow `{needed}`: start the agent with --allow {wanted}");
            return Err(problem(ProblemKind::NotAllowed, text));
        }
        Ok(())
    }

    fn wait_for(&self, id: Uuid, most: usize) -> Result<oneshot::Receiver<answer::Answer>, Problem> {
        let mut waiting = self.waiting.lock();
        let waiting = waiting.as_mut().ok_or_else(not_connected)?;
        if waiting.len() >= most {
            let text = format!("{most} commands wait for this agent already: try again");
            return Err(problem(ProblemKind::Busy, text));
        }
        let (answer, receiver) = oneshot::channel();
        waiting.insert(id, answer);
        Ok(receiver)
    }
}

/// Whoever asked may have hung up.
struct Forget<'a> {
    line: &'a Line,
    id: Uuid,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.line.waiting.lock().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

/// An agent's words are shown to people.
fn bounded(problem: Problem) -> Problem {
    let text = &problem.text[..problem.text.floor_char_boundary(1024)];
    Problem { text: text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(), ..problem }
}

#[cfg(test)]
mod tests {
    use weir_proto::v1::{CloseConnections, Closed, ListConnections};

    use super::*;

    fn line(commands: &[&str], allowed: &[&str]) -> (Line, mpsc::Receiver<Result<OrchestratorMessage, Status>>) {
        let (out, sent) = mpsc::channel(100);
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let abilities = Abilities { version: "1".into(), commands: owned(commands), allowed: owned(allowed) };
        (Line::new(out, abilities), sent)
    }

    fn close() -> command::Command {
        command::Command::CloseConnections(CloseConnections::default())
    }

    fn kind(asked: Result<answer::Answer, Problem>) -> ProblemKind {
        asked.unwrap_err().kind()
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn who_cannot_or_may_not_is_not_asked() {
        let (old, mut sent) = line(&[], &[]);
        assert_eq!(kind(old.ask(close(), LONG).await), ProblemKind::Unknown);
        assert!(sent.try_recv().is_err());
        let (strict, mut sent) = line(&["connections", "replay"], &["replay"]);
        let refused = strict.ask(close(), LONG).await.unwrap_err();
        assert!(refused.text.contains("--allow replay,connections"), "{refused:?}");
        assert!(sent.try_recv().is_err());
    }

    #[tokio::test]
    async fn who_waits_is_answered_or_told() {
        let (line, mut sent) = line(&["connections"], &["connections"]);
        let answer = async {
            let message = sent.recv().await.unwrap().unwrap().message.unwrap();
            let orchestrator_message::Message::Command(command) = message else { panic!("{message:?}") };
            let closed = answer::Answer::Closed(Closed { count: 3 });
            line.answered(Answer { id: command.id.clone(), answer: Some(closed.clone()) });
            // once more, and of something else: nobody waits
            line.answered(Answer { id: command.id, answer: Some(closed) });
            line.answered(Answer::default());
        };
        let (answered, ()) = tokio::join!(line.ask(close(), LONG), answer);
        assert_eq!(answered.unwrap(), answer::Answer::Closed(Closed { count: 3 }));

        assert_eq!(kind(line.ask(close(), SHORT).await), ProblemKind::TooLate);
        let end = async {
            tokio::task::yield_now().await;
            line.end();
        };
        assert_eq!(kind(tokio::join!(line.ask(close(), LONG), end).0), ProblemKind::Lost);
        assert_eq!(kind(line.ask(close(), LONG).await), ProblemKind::NotConnected);
    }

    #[tokio::test]
    async fn so_many_at_a_time() {
        let (line, _sent) = line(&["connections"], &["connections"]);
        let asked = (0..=AT_ONCE).map(|_| line.ask(close(), SHORT));
        let kinds: Vec<_> = futures_util::future::join_all(asked).await.into_iter().map(kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == ProblemKind::Busy).count(), 1, "{kinds:?}");
        // those who gave up are in nobody's way
        assert_eq!(kind(line.ask(close(), SHORT).await), ProblemKind::TooLate);
        let look = || command::Command::ListConnections(ListConnections::default());
        let asked = (0..AT_ONCE).map(|_| line.ask(look(), SHORT));
        let (looked, closed) =
            tokio::join!(futures_util::future::join_all(asked), async { kind(line.ask(close(), SHORT).await) });
        assert_eq!(looked.into_iter().map(kind).filter(|kind| *kind == ProblemKind::Busy).count(), LOOKS_AT_ONCE);
        assert_eq!(closed, ProblemKind::TooLate, "it was asked");
    }
}
