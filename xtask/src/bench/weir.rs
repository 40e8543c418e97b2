//! Weir as a contender: one worker on CPU 0; alone with a folder of filters, or recording.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::{
    Contender,
    fleet::{Fleet, until},
    site::{PROXY_CPU, Site, pinned},
};
use crate::{child::Child, steps::output};

/// What filters/headers does here: one field on each head.
const HEADERS: &str = r#"{"request":{"set":{"x-bench":"on"}},"response":{"set":{"x-bench":"on"}}}"#;

pub(super) fn plain(site: &Site) -> anyhow::Result<Vec<Contender>> {
    Ok(vec![recording(site)?, copies(site, 1)?, copies(site, 0)?])
}

pub(super) fn intercepted(site: &Site) -> anyhow::Result<Vec<Contender>> {
    plain(site)
}

/// Without an orchestrator, with so many copies of filters/headers.
pub(super) fn copies(site: &Site, count: u32) -> anyhow::Result<Contender> {
    let data = fresh(site, &format!("alone-{count}"))?;
    let folder = data.join("filters");
    fs::create_dir_all(&folder)?;
    for copy in 0..count {
        fs::copy(site.filters.join("headers.wasm"), folder.join(format!("headers-{copy}.wasm")))?;
        fs::write(folder.join(format!("headers-{copy}.toml")), format!("config = '{HEADERS}'\n"))?;
    }
    let mut command = agent(site, &data);
    command.arg("--filters").arg(&folder);
    let name = format!("weir, {count} x headers, no recording");
    contender(name, &data, &mut command, Vec::new())
}

/// Without an orchestrator, with a filter that calls `oracle` for each request below `path` and waits for the answer.
pub(super) fn asking(site: &Site, path: &str, oracle: std::net::SocketAddr) -> anyhow::Result<Contender> {
    let data = fresh(site, "asking")?;
    let folder = data.join("filters");
    fs::create_dir_all(&folder)?;
    fs::copy(site.filters.join("for-tests/ask.wasm"), folder.join("ask.wasm"))?;
    let sidecar = format!(
        "match = \"path:{path}*\"\ngrants = [\"log\", \"callout\", \"timer\", \"kv\", \"tags\", \"secrets\"]\n\
         config = {{ stage = \"request-head\", upstream = \"oracle\", path = \"/\" }}\n\
         [upstreams.oracle]\nurl = \"http://{oracle}/\"\ntimeout_ms = 2000\n"
    );
    fs::write(folder.join("ask.toml"), sidecar)?;
    let mut command = agent(site, &data);
    command.arg("--filters").arg(&folder);
    contender("weir, a filter that calls".to_owned(), &data, &mut command, Vec::new())
}

/// With an orchestrator that stores every exchange, and filters/headers pushed to it.
pub(super) fn recording(site: &Site) -> anyhow::Result<Contender> {
    let fleet = Fleet::start(site, "recording")?;
    let headers = site.filters.join("headers.wasm");
    let headers = headers.to_str().context("a path in UTF-8")?;
    fleet.client(&["push-filter", headers, "--name", "headers", "--config", HEADERS])?;
    let contender = fleet.agent(site, "weir, headers, recording", &[])?;
    let admin = contender.admin.clone().context("an admin address")?;
    until("headers", || get(&admin, "/filters"))?;
    Ok(fleet.around(contender))
}

pub(super) fn fresh(site: &Site, name: &str) -> anyhow::Result<PathBuf> {
    let data = site.dir.join(name);
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data)?;
    Ok(data)
}

pub(super) fn agent(site: &Site, data: &Path) -> Command {
    let mut command = pinned(PROXY_CPU, &site.bin.join("agent"));
    command.args(["run", "--workers", "1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data-dir"]);
    command.arg(data.join("agent")).arg("--upstream-ca").arg(site.dir.join("root.pem"));
    command
}

pub(super) fn contender(
    name: String,
    data: &Path,
    command: &mut Command,
    others: Vec<Child>,
) -> anyhow::Result<Contender> {
    let agent = Child::start("agent", command, "agent ready:", &data.join("agent.log"))?;
    let (address, admin) = (agent.address("proxy")?, agent.address("admin")?);
    let processes = std::iter::once(agent).chain(others).collect();
    Ok(Contender { name, processes, address, reverse: false, ca: Some(data.join("agent/ca.pem")), admin: Some(admin) })
}

/// What the recorder lost or set aside.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) dropped: f64,
    pub(super) spooled: f64,
}

pub(super) fn counters(contender: &Contender) -> anyhow::Result<Counters> {
    let Some(admin) = &contender.admin else { return Ok(Counters::default()) };
    let text = get(admin, "/metrics")?;
    let value = |name| value(&text, name);
    Ok(Counters { dropped: value("weir_agent_recorder_dropped_total"), spooled: value("weir_agent_spool_bytes") })
}

/// Of a metric without labels; 0 where there is none.
pub(super) fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

pub(super) fn get(admin: &str, path: &str) -> anyhow::Result<String> {
    output(Command::new("curl").args(["--silent", "--fail", "--noproxy", "*", &format!("http://{admin}{path}")]))
}
