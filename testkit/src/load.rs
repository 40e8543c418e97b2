//! Constant mixed load that counts every failure: what a hot swap must not disturb.
//!
//! Each lane holds a connection and repeats one kind of exchange. With a stamping filter in the chain each exchange
//! also says which version it met on its request (`x-heard-stamp`, sent back by the origin) and on its response
//! (`x-stamp`).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use tokio::task::JoinSet;

use crate::{
    body::{self, Pattern},
    client::{Alpn, Client, Http},
    wait::within,
    websocket::WebSocket,
};

/// What a lane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A short GET.
    Get,
    /// 1 MiB up, checked by the origin byte for byte.
    Post,
    /// A response that takes about half a second to come.
    Slow,
    /// Messages on one WebSocket that stays open.
    WebSocket,
}

/// Where lanes go.
#[derive(Clone)]
pub struct Targets {
    /// Client of the proxy.
    pub client: Client,
    /// host:port of the origin without TLS.
    pub plain: String,
    /// host:port of the origin with TLS.
    pub tls: String,
}

/// Versions that may be met now.
#[derive(Default)]
pub struct Versions {
    /// The newest that is known to be active.
    pub active: AtomicU64,
    /// The newest that was pushed.
    pub pushed: AtomicU64,
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    exchanges: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// The running load.
pub struct Load {
    tally: Arc<Tally>,
    lanes: JoinSet<()>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Exchanges and messages that went well.
    pub exchanges: u64,
    /// Each failure, with its lane.
    pub failures: Vec<String>,
}

impl Load {
    /// `count` lanes: half plain, half intercepted; of every eight, four GET, two POST, one slow, one WebSocket.
    pub fn start(count: usize, targets: &Targets, versions: &Arc<Versions>) -> Self {
        let tally = Arc::<Tally>::default();
        let mut lanes = JoinSet::new();
        for at in 0..count {
            let kind = match at / 2 % 8 {
                0..=3 => Kind::Get,
                4 | 5 => Kind::Post,
                6 => Kind::Slow,
                _ => Kind::WebSocket,
            };
            let lane = Lane {
                at,
                kind,
                over: [None, Some(Alpn::Http1), None, Some(Alpn::Http2)][at % 4],
                targets: targets.clone(),
                versions: versions.clone(),
                tally: tally.clone(),
            };
            lanes.spawn(lane.run());
        }
        Self { tally, lanes }
    }

    /// Exchanges so far.
    pub fn exchanges(&self) -> u64 {
        self.tally.exchanges.load(Ordering::Relaxed)
    }

    /// Lets every lane finish what it is at.
    pub async fn stop(mut self) -> anyhow::Result<Outcome> {
        self.tally.stop.store(true, Ordering::Relaxed);
        within(Duration::from_secs(60), "the load", async { while self.lanes.join_next().await.is_some() {} }).await?;
        let failures = std::mem::take(&mut *self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Outcome { exchanges: self.tally.exchanges.load(Ordering::Relaxed), failures })
    }
}

struct Lane {
    at: usize,
    kind: Kind,
    /// How inside TLS; none for plain.
    over: Option<Alpn>,
    targets: Targets,
    versions: Arc<Versions>,
    tally: Arc<Tally>,
}

impl Lane {
    async fn run(self) {
        let mut http = None;
        while !self.tally.stop.load(Ordering::Relaxed) {
            let one = match self.kind {
                Kind::WebSocket => self.websocket().await,
                Kind::Get | Kind::Post | Kind::Slow => self.exchange(&mut http).await,
            };
            if let Err(error) = one {
                let text = format!("lane {} {:?} over {:?}: {error:#}", self.at, self.kind, self.over);
                self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                http = None;
                // a broken proxy would otherwise be asked as fast as it can refuse
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn exchange(&self, kept: &mut Option<Http>) -> anyhow::Result<()> {
        let http = match kept {
            Some(http) => http,
            None => kept.insert(match self.over {
                None => self.targets.client.forward().await?,
                Some(alpn) => self.targets.client.intercepted(&self.targets.tls, alpn).await?,
            }),
        };
        let base = match self.over {
            None => format!("http://{}", self.targets.plain),
            Some(_) => format!("https://{}", self.targets.tls),
        };
        let seed = self.tally.exchanges.load(Ordering::Relaxed) << 8 | self.at as u64;
        let oldest = self.versions.active.load(Ordering::SeqCst);
        let (path, size) = match self.kind {
            Kind::Post => (format!("{base}/check?seed={seed}"), 7),
            Kind::Slow => (format!("{base}/bytes/8000?seed={seed}&by=400&pace=25&chunked"), 8000),
            Kind::Get | Kind::WebSocket => (format!("{base}/bytes/100?seed={seed}"), 100),
        };
        let request = match self.kind {
            Kind::Post => http.request("POST", &path, Pattern::new(seed, 1 << 20).boxed())?,
            Kind::Get | Kind::Slow | Kind::WebSocket => http.request("GET", &path, body::empty())?,
        };
        let response = http.send(request).await?;
        ensure!(response.status() == 200, "status {}", response.status());
        let newest = self.versions.pushed.load(Ordering::SeqCst);
        self.consistent(&response, oldest, newest)?;
        let limit = Duration::from_secs(30);
        if self.kind == Kind::Post {
            let body =
                within(limit, "a body", http_body_util::BodyExt::collect(response.into_body())).await??.to_bytes();
            ensure!(body == Bytes::from_static(b"1048576"), "the origin got {body:?} bytes");
        } else {
            let (got, _) = within(limit, "a body", body::check(response.into_body(), seed)).await??;
            ensure!(got == size, "{got} of {size} bytes");
        }
        self.tally.exchanges.fetch_add(1, Ordering::Relaxed);
        if self.kind == Kind::Get {
            // a client with a little to do between requests: constant load, not saturation
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn consistent(&self, response: &Response<Incoming>, oldest: u64, newest: u64) -> anyhow::Result<()> {
        if newest == 0 {
            return Ok(());
        }
        let version = |headers: &HeaderMap, name: &str| {
            let value = headers.get(name).with_context(|| format!("no {name}"))?;
            anyhow::Ok(value.to_str()?.parse::<u64>()?)
        };
        let request = version(response.headers(), "x-heard-stamp")?;
        let answer = version(response.headers(), "x-stamp")?;
        ensure!(request == answer, "the request met version {request}, its response {answer}");
        ensure!((oldest..=newest).contains(&answer), "met version {answer}, active were {oldest} to {newest}");
        Ok(())
    }

    /// Opens one, talks until the load stops, closes.
    async fn websocket(&self) -> anyhow::Result<()> {
        let limit = Duration::from_secs(30);
        match self.over {
            None => {
                let target = format!("http://{}/ws", self.targets.plain);
                let stream = self.targets.client.dial().await?;
                let socket =
                    within(limit, "the upgrade", WebSocket::open(stream, &target, &self.targets.plain)).await??;
                self.talk(socket).await
            }
            Some(_) => {
                let stream = self.targets.client.tls(&self.targets.tls, Alpn::Http1).await?;
                let socket = within(limit, "the upgrade", WebSocket::open(stream, "/ws", &self.targets.tls)).await??;
                self.talk(socket).await
            }
        }
    }

    async fn talk<S>(&self, mut socket: WebSocket<S>) -> anyhow::Result<()>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let limit = Duration::from_secs(30);
        while !self.tally.stop.load(Ordering::Relaxed) {
            within(limit, "an echo", socket.echo(&[self.at as u8; 300])).await??;
            self.tally.exchanges.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        within(limit, "a goodbye", socket.close()).await?
    }
}
