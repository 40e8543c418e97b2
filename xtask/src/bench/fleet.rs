//! An orchestrator on CPU 1, and agents on CPU 0 that record to it.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    Contender,
    site::{OTHER_CPU, Site, pinned},
    weir,
};
use crate::{child::Child, steps::output};

/// See the module.
pub(super) struct Fleet {
    data: PathBuf,
    bin: PathBuf,
    orchestrator: Child,
    rest: String,
    token: String,
}

impl Fleet {
    /// With an empty store and a key to sign with.
    pub(super) fn start(site: &Site, name: &str) -> anyhow::Result<Self> {
        let data = weir::fresh(site, name)?;
        let mut command = pinned(OTHER_CPU, &site.bin.join("orchestrator"));
        command
            .args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data-dir"])
            .arg(data.join("server"));
        let log = data.join("orchestrator.log");
        let orchestrator = Child::start("orchestrator", &mut command, "orchestrator ready:", &log)?;
        let token = fs::read_to_string(data.join("server/token")).context("the orchestrator's token")?;
        let rest = format!("http://{}", orchestrator.address("REST")?);
        let fleet = Self { data, bin: site.bin.clone(), orchestrator, rest, token: token.trim().to_owned() };
        fleet.client(&["keys", "generate"])?;
        Ok(fleet)
    }

    /// What a person would type.
    pub(super) fn client(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(self.bin.join("orchestrator"));
        command.args(arguments).env("WEIR_KEY_DIR", self.data.join("keys"));
        output(command.env("WEIR_ORCHESTRATOR", &self.rest).env("WEIR_TOKEN", &self.token))
    }

    /// An agent of this fleet.
    pub(super) fn agent(&self, site: &Site, name: &str, arguments: &[&str]) -> anyhow::Result<Contender> {
        let join_token = self.client(&["join-token"])?;
        let mut command = weir::agent(site, &self.data);
        command.args(["--orchestrator", &format!("https://{}", self.orchestrator.address("gRPC")?)]);
        command.args(["--join-token", join_token.trim()]).args(arguments);
        weir::contender(name.to_owned(), &self.data, &mut command, Vec::new())
    }

    /// The fleet ends with this agent.
    pub(super) fn around(self, mut contender: Contender) -> Contender {
        contender.processes.push(self.orchestrator);
        contender
    }
}

/// Waits for a word in an answer.
pub(super) fn until(word: &str, ask: impl Fn() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = ask()?;
        if answer.contains(word) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no `{word}` in {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
