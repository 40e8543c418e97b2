//! Asking agents to do something: a command goes out on the stream that the agent keeps open, here or at another
//! orchestrator, and comes back answered, or with why not. It is asked once: what was lost on its way may have been done.

mod line;
mod relay;

use std::time::Duration;

use weir_proto::v1::{Problem, ProblemKind, answer::Answer, command::Command};

pub(crate) use line::{Abilities, Line};
pub(crate) use relay::{Relay, carry};

use crate::{orchestrator::Orchestrator, store::Agent};

/// For what an agent knows at once.
pub(crate) const SOON: Duration = Duration::from_secs(5);

impl Orchestrator {
    /// Has the agent carry out the command.
    ///
    /// # Errors
    /// The agent's own problem, or why it could not be asked.
    pub(crate) async fn ask(&self, agent: &Agent, command: Command, within: Duration) -> Result<Answer, Problem> {
        match self.fleet.line(agent.number) {
            Some(line) => line.ask(command, within).await,
            None => self.relay.ask(&self.store, agent.number, command, within).await,
        }
    }
}

/// What an agent has to allow for it.
fn needs(command: &Command) -> &'static str {
    match command {
        Command::Replay(_) => "replay",
        Command::ListConnections(_) | Command::CloseConnections(_) => "connections",
        Command::SetBreakpoints(_) | Command::ListPaused(_) | Command::ReadPaused(_) | Command::Decide(_) => {
            "breakpoints"
        }
    }
}

/// May whoever may look have it asked, and nothing changes?
fn only_asks(command: &Command) -> bool {
    matches!(command, Command::ListConnections(_) | Command::ListPaused(_))
}

fn problem(kind: ProblemKind, text: impl Into<String>) -> Problem {
    Problem { kind: kind.into(), text: text.into() }
}

/// An agent of a version that answers something else.
pub(crate) fn odd_answer() -> Problem {
    problem(ProblemKind::Other, "the agent's answer is one to something else")
}

pub(crate) fn not_connected() -> Problem {
    problem(ProblemKind::NotConnected, "the agent is not connected")
}
