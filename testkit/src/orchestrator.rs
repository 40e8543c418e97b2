//! A real orchestrator: `orchestrator serve`, the client commands against it, its REST.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    binaries::binary,
    ports::reserve,
    process::{Finished, Process, address, run},
    scratch::Scratch,
    wait::PATIENCE,
};

/// A running orchestrator.
pub struct Orchestrator {
    /// The process.
    pub process: Process,
    /// REST address.
    pub rest: SocketAddr,
    /// gRPC address.
    pub grpc: SocketAddr,
    data: PathBuf,
    keys: PathBuf,
    log: PathBuf,
    more: Vec<String>,
    database: Option<String>,
    http: reqwest::Client,
}

impl Orchestrator {
    /// Starts one whose data and log lie in `scratch` under `name`; the publisher's keys lie in `scratch`/keys.
    pub async fn start(scratch: &Scratch, name: &str) -> anyhow::Result<Self> {
        Self::start_with(scratch, name, &[]).await
    }

    /// With more arguments for `serve`.
    pub async fn start_with(scratch: &Scratch, name: &str, more: &[&str]) -> anyhow::Result<Self> {
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        Self::start_as(scratch, name, more, None).await
    }

    /// On a database with this URL.
    pub async fn start_on(scratch: &Scratch, name: &str, database: Option<String>) -> anyhow::Result<Self> {
        Self::start_as(scratch, name, Vec::new(), database).await
    }

    /// On a database with this URL, with more arguments for `serve`.
    pub async fn start_both(
        scratch: &Scratch,
        name: &str,
        database: Option<String>,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let more = more.iter().map(|argument| (*argument).to_owned()).collect();
        Self::start_as(scratch, name, more, database).await
    }

    async fn start_as(
        scratch: &Scratch,
        name: &str,
        more: Vec<String>,
        database: Option<String>,
    ) -> anyhow::Result<Self> {
        let (data, log) = (scratch.join(name), scratch.join(format!("{name}.log")));
        // it comes back to them when it is started again
        let own = || anyhow::Ok(SocketAddr::from(([127, 0, 0, 1], reserve()?)));
        let (process, rest, grpc) = serve(&data, &log, (own()?, own()?), &more, database.as_deref()).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { process, rest, grpc, data, keys: scratch.join("keys"), log, more, database, http })
    }

    /// Another one on the same database, which people and agents take for the same.
    pub async fn beside(&self, scratch: &Scratch, name: &str) -> anyhow::Result<Self> {
        let data = scratch.join(name);
        std::fs::create_dir_all(&data)?;
        for file in ["ca.key", "ca.pem", "token"] {
            std::fs::copy(self.data.join(file), data.join(file))?;
        }
        Self::start_on(scratch, name, self.database.clone()).await
    }

    /// SIGKILL: nothing is said goodbye to.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// SIGTERM, and waits until it has ended well: all it knows is then in its database file, nothing in the log beside.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(libc::SIGTERM);
        let status = self.process.ended(PATIENCE).await?;
        ensure!(status.success(), "the orchestrator ended with {status}");
        Ok(())
    }

    /// Starts it again with the same data and addresses.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let addresses = (self.rest, self.grpc);
        let (process, rest, grpc) =
            serve(&self.data, &self.log, addresses, &self.more, self.database.as_deref()).await?;
        (self.process, self.rest, self.grpc) = (process, rest, grpc);
        Ok(())
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where agents find it.
    pub fn grpc_url(&self) -> String {
        format!("https://{}", self.grpc)
    }

    /// The publisher's key directory.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// The admin token.
    pub fn token(&self) -> anyhow::Result<String> {
        let path = self.data.join("token");
        let token = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(token.trim().to_owned())
    }

    /// Runs a client command, such as `filters list`, whatever comes of it.
    pub async fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> anyhow::Result<Finished> {
        let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let (url, token) = (format!("http://{}", self.rest), self.token()?);
        let environment = [("WEIR_ORCHESTRATOR", OsStr::new(&url)), ("WEIR_TOKEN", OsStr::new(&token))];
        run(&binary("orchestrator")?, arguments, &environment).await
    }

    /// `orchestrator keys generate` into [`Self::keys`].
    pub async fn generate_keys(&self) -> anyhow::Result<String> {
        self.command([OsStr::new("keys"), "generate".as_ref(), "--key-dir".as_ref(), self.keys.as_ref()]).await?.ok()
    }

    /// `orchestrator join-token`.
    pub async fn join_token(&self) -> anyhow::Result<String> {
        let finished = self.command([OsStr::new("join-token"), "--key-dir".as_ref(), self.keys.as_ref()]).await?;
        Ok(finished.ok()?.trim().to_owned())
    }

    /// `orchestrator push-filter`, whatever comes of it.
    pub async fn try_push(&self, file: &Path, arguments: &[&str]) -> anyhow::Result<Finished> {
        let mut all = vec![OsStr::new("push-filter"), file.as_os_str(), "--key-dir".as_ref(), self.keys.as_os_str()];
        all.extend(arguments.iter().map(|argument| OsStr::new(*argument)));
        self.command(all).await
    }

    /// `orchestrator push-filter`, which must succeed.
    pub async fn push(&self, file: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        self.try_push(file, arguments).await?.ok()
    }

    /// GET of `/api/v1`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.request(reqwest::Method::GET, path, None).await?;
        ensure!(status.is_success(), "GET {path}: {status} {body}");
        Ok(body)
    }

    /// The bytes of a body.
    pub async fn bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let response = self.build(reqwest::Method::GET, path)?.send().await?;
        ensure!(response.status().is_success(), "GET {path}: {}", response.status());
        Ok(response.bytes().await?.to_vec())
    }

    /// Any request to `/api/v1`, with or without JSON.
    pub async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.build(method, path)?;
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((status, value))
    }

    /// Every item of a list, page after page.
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page =
                self.get(&if cursor.is_empty() { path.to_owned() } else { format!("{path}{joint}{cursor}") }).await?;
            items.extend(page["items"].as_array().context("items")?.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    fn build(&self, method: reqwest::Method, path: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let url = format!("http://{}/api/v1{path}", self.rest);
        Ok(self.http.request(method, url).bearer_auth(self.token()?).timeout(PATIENCE))
    }
}

async fn serve(
    data: &Path,
    log: &Path,
    (rest, grpc): (SocketAddr, SocketAddr),
    more: &[String],
    database: Option<&str>,
) -> anyhow::Result<(Process, SocketAddr, SocketAddr)> {
    let (rest, grpc) = (rest.to_string(), grpc.to_string());
    let arguments = [
        OsStr::new("serve"),
        "--data-dir".as_ref(),
        data.as_ref(),
        "--rest".as_ref(),
        rest.as_ref(),
        "--grpc".as_ref(),
    ];
    let from = std::fs::metadata(log).map_or(0, |log| log.len() as usize);
    let arguments = arguments.into_iter().chain([grpc.as_ref()]).chain(more.iter().map(OsStr::new));
    let environment: Vec<_> = database.map(|url| ("WEIR_DATABASE_URL", OsStr::new(url))).into_iter().collect();
    let mut process = Process::start("orchestrator", &binary("orchestrator")?, arguments, &environment, log)?;
    let ready = process.line("orchestrator ready:", from).await?;
    let addresses = (address(&ready, "REST")?, address(&ready, "gRPC")?);
    Ok((process, addresses.0, addresses.1))
}
