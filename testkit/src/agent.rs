//! A real agent: `agent run`, its admin address, its CA.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{
    binaries::binary,
    client::Client,
    curl::Curl,
    process::{Process, address},
    scratch::Scratch,
    wait::{PATIENCE, eventually},
};

/// How to start an agent. Addresses are 127.0.0.1 with port 0 unless said otherwise.
pub struct AgentOptions {
    name: String,
    data: PathBuf,
    log: PathBuf,
    arguments: Vec<OsString>,
}

impl AgentOptions {
    /// An agent whose data and log lie in `scratch` under `name`.
    pub fn new(scratch: &Scratch, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            data: scratch.join(name),
            log: scratch.join(format!("{name}.log")),
            arguments: Vec::new(),
        }
    }

    /// A flag and its value.
    pub fn with(mut self, flag: &str, value: impl Into<OsString>) -> Self {
        self.arguments.extend([flag.into(), value.into()]);
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> anyhow::Result<Agent> {
        let from = std::fs::metadata(&self.log).map_or(0, |log| log.len() as usize);
        let mut process = self.spawn()?;
        let ready = process.line("agent ready:", from).await?;
        Ok(Agent {
            process,
            proxy: address(&ready, "proxy")?,
            admin: address(&ready, "admin")?,
            data: self.data.clone(),
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// Starts it without waiting, for an agent that is to fail.
    pub fn spawn(&self) -> anyhow::Result<Process> {
        let mut arguments: Vec<OsString> = vec!["run".into(), "--data-dir".into(), self.data.clone().into()];
        for (flag, address) in [("--listen", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
            if !self.arguments.iter().any(|argument| argument == flag) {
                arguments.extend([flag.into(), address.into()]);
            }
        }
        arguments.extend(self.arguments.iter().cloned());
        Process::start(&self.name, &binary("agent")?, arguments, &[], &self.log)
    }
}

/// A running agent.
pub struct Agent {
    /// The process.
    pub process: Process,
    /// Where clients connect.
    pub proxy: SocketAddr,
    /// Where operators ask.
    pub admin: SocketAddr,
    data: PathBuf,
    http: reqwest::Client,
}

impl Agent {
    /// The certificate that clients have to trust.
    pub fn ca_file(&self) -> PathBuf {
        self.data.join("ca.pem")
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A client that trusts the agent's CA, and these roots too.
    pub fn client(&self, roots: &[&str]) -> anyhow::Result<Client> {
        let ca = std::fs::read_to_string(self.ca_file()).context("the agent's ca.pem")?;
        let mut all = vec![ca.as_str()];
        all.extend(roots);
        Client::new(self.proxy, &all)
    }

    /// curl through this agent; `ca` is [`Self::ca_file`].
    pub fn curl<'a>(&self, ca: &'a Path) -> Curl<'a> {
        Curl::new(self.proxy, ca)
    }

    /// A document from the admin address.
    pub async fn admin(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{}{path}", self.admin);
        let response = self.http.get(&url).timeout(PATIENCE).send().await?;
        ensure!(response.status().is_success(), "{url}: {}", response.status());
        Ok(response.text().await?)
    }

    /// The sum of a metric's samples whose labels contain `labels`, 0 when there are none.
    pub async fn metric(&self, name: &str, labels: &str) -> anyhow::Result<f64> {
        let text = self.admin("/metrics").await?;
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
        });
        samples.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?)).sum()
    }

    /// The admin's list of filters.
    pub async fn filters(&self) -> anyhow::Result<Vec<Value>> {
        let document: Value = serde_json::from_str(&self.admin("/filters").await?)?;
        let items = document.get("items").unwrap_or(&document);
        Ok(items.as_array().context("a list of filters")?.clone())
    }

    /// The entry of one filter.
    pub async fn filter(&self, name: &str) -> anyhow::Result<Option<Value>> {
        Ok(self.filters().await?.into_iter().find(|filter| filter["name"] == name))
    }

    /// Waits until this version of the filter is the active one.
    pub async fn active(&self, name: &str, version: u64) -> anyhow::Result<Value> {
        eventually(PATIENCE, &format!("{name} {version} to be active"), || async {
            let filter = self.filter(name).await?;
            Ok(filter.filter(|filter| filter["version"] == version && filter["active"] != false))
        })
        .await
    }

    /// SIGTERM, and waits until it has drained and ended well.
    pub async fn stop(mut self, limit: Duration) -> anyhow::Result<()> {
        self.process.signal(libc::SIGTERM);
        let status = self.process.ended(limit).await?;
        ensure!(status.success(), "the agent ended with {status}");
        Ok(())
    }
}
