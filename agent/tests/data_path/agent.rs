//! An agent in this process, without filters; what it records nobody fetches unless a test does.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use weir_agent::config::Config;
use weir_agent::filters::FilterLog;
use weir_agent::listener;
use weir_agent::record::Recorder;
use weir_agent::secrets::Secrets;
use weir_agent::worker::{Shared, spawn};
use weir_host::{Host, HostConfig};
use weir_testkit::ca::Ca;
use weir_testkit::client::Client;
use weir_testkit::origin::Origin;

/// Stops, and waits for its workers, when dropped.
pub(crate) struct Agent {
    pub(crate) shared: Arc<Shared>,
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: TcpListener,
    listeners: Vec<TcpListener>,
    workers: Vec<JoinHandle<()>>,
    data: TempDir,
}

/// An agent, and an origin whose authority it trusts.
pub(crate) struct Setup {
    pub(crate) agent: Agent,
    pub(crate) origin: Origin,
    pub(crate) ca: Ca,
}

impl Agent {
    pub(crate) fn start(config: Config) -> anyhow::Result<Self> {
        let mut agent = Agent::listening(config)?;
        agent.accept()?;
        Ok(agent)
    }

    /// Listens, and accepts nobody yet.
    pub(crate) fn listening(mut config: Config) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        config.data_dir = data.path().to_owned();
        config.workers = 1;
        let (listeners, proxy) = listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), config.workers)?;
        let admin = TcpListener::bind("127.0.0.1:0")?;
        let recorder = Recorder::new(config.workers, &config.capture);
        let host = Host::new(HostConfig {
            cache_dir: None,
            kv_dir: None,
            workers: 1,
            log: Arc::new(FilterLog::default()),
            secrets: None,
        })?;
        let secrets = Arc::new(Secrets::open(None)?);
        let shared = Arc::new(Shared::new(config, host, recorder, secrets, proxy, admin.local_addr()?)?);
        Ok(Agent { shared, proxy, admin, listeners, workers: Vec::new(), data })
    }

    pub(crate) fn accept(&mut self) -> anyhow::Result<()> {
        for (number, listener) in self.listeners.drain(..).enumerate() {
            self.workers.push(spawn(Arc::clone(&self.shared), number, listener)?);
        }
        Ok(())
    }

    /// Trusts this agent's authority, and nothing else.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Client::new(self.proxy, &[self.shared.authority.pem()])
    }

    /// Waits for the workers' threads.
    pub(crate) fn join(&mut self) {
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker panicked");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.shutdown.begin();
        self.workers.drain(..).for_each(|worker| drop(worker.join()));
        let _ = &self.data;
    }
}

impl Setup {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> anyhow::Result<Self> {
        let ca = Ca::new("origins")?;
        let origin = Origin::start(&ca).await?;
        let trusted = tempfile::NamedTempFile::new()?;
        std::fs::write(trusted.path(), ca.pem())?;
        let mut config = Config { drain: Duration::from_secs(5), ..Config::default() };
        config.upstream.ca_file = Some(trusted.path().to_owned());
        change(&mut config);
        Ok(Setup { agent: Agent::start(config)?, origin, ca })
    }

    /// As a client names the origin that speaks HTTP/2 and HTTP/1.1 over TLS.
    pub(crate) fn tls(&self) -> String {
        format!("localhost:{}", self.origin.tls().port())
    }

    pub(crate) fn tls_http1(&self) -> String {
        format!("localhost:{}", self.origin.tls_http1().port())
    }
}
