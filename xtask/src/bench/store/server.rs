//! The orchestrator under test: a process of its own on an empty database, asked over its REST as anybody asks.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::super::{cpu, weir::value};
use crate::{child::Child, steps::output};

pub(super) struct Server {
    pub(super) process: Child,
    rest: String,
    grpc: String,
    token: String,
    dir: PathBuf,
    bin: PathBuf,
}

impl Server {
    /// On the database with this URL, or on SQLite in its folder.
    pub(super) fn start(bin: &Path, dir: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        let mut command = Command::new(bin.join("orchestrator"));
        command.args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data-dir"]).arg(dir.join("server"));
        if let Some(url) = database {
            command.env("WEIR_DATABASE_URL", url);
        }
        let process = Child::start("orchestrator", &mut command, "orchestrator ready:", &dir.join("orchestrator.log"))?;
        let token = fs::read_to_string(dir.join("server/token")).context("the orchestrator's token")?.trim().to_owned();
        let (rest, grpc) = (process.address("REST")?, process.address("gRPC")?);
        Ok(Self { process, rest, grpc, token, dir: dir.to_owned(), bin: bin.to_owned() })
    }

    /// An agent that finds this folder's spool.
    pub(super) fn agent(&self, data: &Path) -> anyhow::Result<Child> {
        let mut join = Command::new(self.bin.join("orchestrator"));
        join.args(["join-token", "--key-dir"]).arg(self.dir.join("keys"));
        join.env("WEIR_ORCHESTRATOR", format!("http://{}", self.rest)).env("WEIR_TOKEN", &self.token);
        let ticket = output(&mut join)?;
        let mut command = Command::new(self.bin.join("agent"));
        command.args(["run", "--workers", "1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--capture-spool-bytes", "1024GiB", "--orchestrator", &format!("https://{}", self.grpc)]);
        command.args(["--join-token", ticket.trim(), "--data-dir"]).arg(data);
        Child::spawn("agent", &mut command, &data.with_extension("log"))
    }

    /// Makes what a join token is signed with.
    pub(super) fn keys(&self) -> anyhow::Result<()> {
        let mut keys = Command::new(self.bin.join("orchestrator"));
        output(keys.args(["keys", "generate", "--key-dir"]).arg(self.dir.join("keys"))).map(drop)
    }

    /// The answer, and how long it took.
    pub(super) fn ask(&self, path: &str) -> anyhow::Result<(Value, Duration)> {
        let began = Instant::now();
        let mut stream = self.begin(path)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let took = began.elapsed();
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path}: {}", answer.lines().next().unwrap_or_default());
        let body = answer.split_once("\r\n\r\n").context("no body")?.1;
        Ok((serde_json::from_str(body).unwrap_or(Value::Null), took))
    }

    /// Asks, and leaves the answer to the caller, who may hang up.
    pub(super) fn begin(&self, path: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.rest)?;
        stream.set_nodelay(true)?;
        let (host, token) = (&self.rest, &self.token);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }

    /// Exchanges stored so far.
    pub(super) fn stored(&self) -> anyhow::Result<u64> {
        let mut stream = self.begin("/metrics")?;
        let mut metrics = String::new();
        stream.read_to_string(&mut metrics)?;
        Ok(value(&metrics, "weir_orchestrator_exchanges_total{kind=\"stored\"}") as u64)
    }

    /// Most memory that it ever had.
    pub(super) fn peak(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? << 10)
    }

    pub(super) fn cpu(&self) -> Duration {
        Duration::from_nanos(cpu::nanoseconds(self.process.pid()))
    }

    /// Bytes below its folder.
    pub(super) fn disk(&self) -> anyhow::Result<u64> {
        size(&self.dir.join("server"))
    }
}

fn size(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
