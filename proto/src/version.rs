//! How far agent and orchestrator may be apart: one minor version, whichever is the newer. Texts of versions enter; whether
//! they go together, and else what to upgrade, leaves.

use std::{error::Error, fmt};

/// Of this build, agent and orchestrator.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const AGENT: &str = "weir-agent/";

/// What an agent of this build says with each call (`User-Agent`, RFC 9110 section 10.1.5).
pub fn user_agent() -> String {
    format!("{AGENT}{VERSION}")
}

/// The version of the agent that says this with its call. None of one that says nothing, as those before 0.1.0 do.
pub fn of_user_agent(text: &str) -> Option<&str> {
    text.split(' ').find_map(|product| product.strip_prefix(AGENT))
}

/// An agent and an orchestrator that are too far apart to understand all that the other says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Apart {
    agent: Minor,
    orchestrator: Minor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Minor {
    major: u32,
    minor: u32,
}

/// Do the two go together? A version that cannot be read is that of a build of one's own, and goes with every other.
///
/// # Errors
/// They do not: they are of different major versions, or more than one minor version apart.
pub fn check(agent: &str, orchestrator: &str) -> Result<(), Apart> {
    let (Some(agent), Some(orchestrator)) = (Minor::read(agent), Minor::read(orchestrator)) else { return Ok(()) };
    let is_near = agent.major == orchestrator.major && agent.minor.abs_diff(orchestrator.minor) <= 1;
    if is_near { Ok(()) } else { Err(Apart { agent, orchestrator }) }
}

impl Minor {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '-', '+']);
        let mut number = || parts.next()?.parse().ok();
        Some(Self { major: number()?, minor: number()? })
    }

    /// The oldest that goes with it.
    fn least(self) -> Self {
        Self { minor: self.minor.saturating_sub(1), ..self }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, orchestrator } = self;
        let (older, newer) = if agent < orchestrator { ("agent", orchestrator) } else { ("orchestrator", agent) };
        let says = format!("the agent is of version {agent} and the orchestrator of version {orchestrator}");
        write!(f, "{says}, more than one minor version apart: upgrade the {older} to {newer}")?;
        match newer.least() {
            least if least == *newer => Ok(()),
            least => write!(f, ", or {least}"),
        }
    }
}

impl Error for Apart {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_go_together_and_others_do_not() {
        for (agent, orchestrator) in [
            ("0.1.0", "0.1.7"),
            ("0.1.0", "0.2.0"),
            ("0.2.3", "0.1.0"),
            ("1.4.0-rc.1", "1.5.0+debian"),
            ("", "0.1.0"),
            ("of my own", "7.0.0"),
        ] {
            assert_eq!(check(agent, orchestrator), Ok(()), "{agent} {orchestrator}");
        }
        for (agent, orchestrator, says) in [
            ("0.1.0", "0.3.0", "upgrade the agent to 0.3, or 0.2"),
            ("0.4.1", "0.1.0", "upgrade the orchestrator to 0.4, or 0.3"),
            ("0.9.0", "1.0.0", "upgrade the agent to 1.0"),
            (
                "4294967295.4294967295.0",
                "0.1.0",
                "upgrade the orchestrator to 4294967295.4294967295, or 4294967295.4294967294",
            ),
        ] {
            let said = check(agent, orchestrator).unwrap_err().to_string();
            assert!(said.ends_with(says), "{said}");
        }
    }

    #[test]
    fn an_agent_says_its_version_with_each_call() {
        assert_eq!(of_user_agent(&format!("{} tonic/0.14.9", user_agent())), Some(VERSION));
        assert_eq!(of_user_agent("tonic/0.14.9"), None);
    }
}
