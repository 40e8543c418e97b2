//! The usual cast of an end-to-end test: an origin, an orchestrator with a publisher's key, an agent that has joined.

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    agent::{Agent, AgentOptions},
    ca::Ca,
    client::Client,
    orchestrator::Orchestrator,
    origin::Origin,
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

/// Everything that runs. Fields drop in this order: processes before the folder they write to.
pub struct Setup {
    /// The agent.
    pub agent: Agent,
    /// Its orchestrator.
    pub orchestrator: Orchestrator,
    /// What clients want to reach.
    pub origin: Origin,
    /// How the agent was started, to start it again.
    pub options: AgentOptions,
    /// Who vouches for origins; the agent trusts it.
    pub ca: Ca,
    /// The folder.
    pub scratch: Scratch,
}

impl Setup {
    /// With two workers, as on a small machine.
    pub async fn start(name: &str) -> anyhow::Result<Self> {
        Self::start_with(name, |options| options.with("--workers", "2")).await
    }

    /// With other options for the agent.
    pub async fn start_with(name: &str, change: impl FnOnce(AgentOptions) -> AgentOptions) -> anyhow::Result<Self> {
        Self::start_in(Scratch::new(name)?, None, change).await
    }

    /// In a folder that is there already, with the orchestrator on a database with this URL.
    pub async fn start_in(
        scratch: Scratch,
        database: Option<String>,
        change: impl FnOnce(AgentOptions) -> AgentOptions,
    ) -> anyhow::Result<Self> {
        Self::start_serving(scratch, database, &[], change).await
    }

    /// With more arguments for `orchestrator serve`, too.
    pub async fn start_serving(
        scratch: Scratch,
        database: Option<String>,
        more: &[&str],
        change: impl FnOnce(AgentOptions) -> AgentOptions,
    ) -> anyhow::Result<Self> {
        let ca = Ca::new("testkit origins")?;
        let origin = Origin::start(&ca).await?;
        let roots = scratch.write("origins.pem", ca.pem())?;
        let orchestrator = Orchestrator::start_both(&scratch, "orchestrator", database, more).await?;
        orchestrator.generate_keys().await?;
        let options = AgentOptions::new(&scratch, "agent")
            .with("--orchestrator", orchestrator.grpc_url())
            .with("--join-token", orchestrator.join_token().await?)
            .with("--upstream-ca", roots);
        let options = change(options);
        let agent = options.start().await?;
        let setup = Self { agent, orchestrator, origin, options, ca, scratch };
        setup.connected().await?;
        Ok(setup)
    }

    /// Waits until the orchestrator sees the agent.
    pub async fn connected(&self) -> anyhow::Result<Value> {
        eventually(PATIENCE, "the agent to be connected", || async {
            let agents = self.orchestrator.list("/agents").await?;
            Ok(agents.into_iter().find(|agent| agent["state"] == "connected"))
        })
        .await
    }

    /// A client of the agent.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.agent.client(&[&self.ca.pem()])
    }

    /// `http://` URL of a path of the origin.
    pub fn plain(&self, path: &str) -> String {
        format!("http://{}{path}", self.origin.plain())
    }

    /// `https://` URL of a path of the origin, by name.
    pub fn tls(&self, path: &str) -> String {
        format!("https://{}{path}", self.tls_authority())
    }

    /// `localhost:PORT` of the TLS origin.
    pub fn tls_authority(&self) -> String {
        format!("localhost:{}", self.origin.tls().port())
    }

    /// The agents' word on a filter, as REST tells it: phase and reason when it is not active.
    pub async fn refused(&self, filter: &str, phase: &str) -> anyhow::Result<String> {
        eventually(PATIENCE, &format!("the agent to refuse {filter} in phase {phase}"), || async {
            let filters = self.orchestrator.list("/filters").await?;
            let filter = filters.into_iter().find(|item| item["name"] == filter).context("no such filter")?;
            let words = filter["agents"].as_array().context("agents")?;
            let word = words.iter().find(|word| word["active"] == false && word["phase"] == phase);
            Ok(word.map(|word| word["reason"].as_str().unwrap_or_default().to_owned()))
        })
        .await
    }

    /// Waits for the recorded exchange with this path.
    pub async fn recorded(&self, path: &str) -> anyhow::Result<Value> {
        let id = eventually(PATIENCE, &format!("the record of {path}"), || async {
            let exchanges = self.orchestrator.list("/exchanges?limit=500").await?;
            let found = exchanges.into_iter().find(|exchange| exchange["path"] == path);
            Ok(found.and_then(|exchange| exchange["id"].as_str().map(str::to_owned)))
        })
        .await?;
        self.orchestrator.get(&format!("/exchanges/{id}")).await
    }
}
