//! An agent from its configuration to its end: everything is made here, in the order in which it is needed, and taken
//! down in the other. The only place that knows all parts.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};
use weir_host::{Host, HostConfig};

use crate::{
    admin,
    config::{CaChoice, Config, OrchestratorConfig},
    control::{Applier, BackOff, Control, Identity, Intermediates, Introduction, Link, Renewal, Settings},
    disk,
    filters::{FilterLog, Folder},
    listener,
    logging::Level,
    metrics,
    record::{Recorder, Sender},
    secrets::Secrets,
    tls::{Authority, FleetFolder},
    worker::{self, Shared},
};

/// Where the certificate is that clients have to trust; it is made if there is none.
///
/// # Errors
/// Of the data dir.
pub fn certificate(config: &Config) -> anyhow::Result<PathBuf> {
    let root = FleetFolder::of(&config.data_dir).root();
    let own = Authority::certificate_path(&config.data_dir);
    // It ran by flags that are not repeated here: another authority would be of no use to its clients.
    if config.intercept.ca == CaChoice::Own && root.exists() && !own.exists() {
        eprintln!(
            "this agent has run with the fleet's root: that is what follows, and no authority of its own is made"
        );
        return Ok(root);
    }
    if config.intercept.ca == CaChoice::Fleet {
        anyhow::ensure!(
            root.exists(),
            "the fleet's root has not come yet: it is there once the agent has run (`orchestrator ca export` has it too)"
        );
        return Ok(root);
    }
    // With another folder than the agent's, what follows would be of no use to its clients either.
    if !own.exists() {
        eprintln!("no agent has used {} yet: the authority that follows is a new one", config.data_dir.display());
    }
    Authority::load_or_create(&config.data_dir)?;
    Ok(own)
}

/// Listens where health and metrics are.
fn admin_door(address: SocketAddr) -> io::Result<StdListener> {
    StdListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            io::Error::new(error.kind(), "another process listens on this address; --admin gives another")
        }
        _ => error,
    })
}

/// Carries traffic until a signal says to stop.
///
/// # Errors
/// The agent cannot start.
pub(crate) fn run(config: Config, level: Level) -> anyhow::Result<()> {
    // several libraries ask for the process-wide one
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let data_dir = &config.data_dir;
    disk::private_folder(data_dir).with_context(|| format!("the data dir {}", data_dir.display()))?;
    let _own = disk::lock(data_dir).with_context(|| format!("the data dir {}", data_dir.display()))?;
    let (listeners, proxy) =
        listener::bind(config.listen, config.workers).with_context(|| format!("listen {}", config.listen))?;
    let admin = admin_door(config.admin).with_context(|| format!("admin {}", config.admin))?;
    admin.set_nonblocking(true)?;
    let addresses = Addresses { proxy, admin: admin.local_addr()? };
    let secrets = Arc::new(Secrets::open(config.secrets.as_deref())?);
    let recorder = match &config.orchestrator {
        Some(_) => Recorder::new(config.workers, &config.capture),
        None => Recorder::off(),
    };
    let log = Arc::new(FilterLog::new(recorder.lines()));
    let host = Host::new(HostConfig {
        cache_dir: Some(data_dir.join("cache")),
        kv_dir: Some(data_dir.join("kv")),
        workers: config.workers,
        log: Arc::<FilterLog>::clone(&log),
        secrets: Some(Arc::<Secrets>::clone(&secrets)),
    })?;
    let shared = Arc::new(Shared::new(config, host, recorder, secrets, addresses.proxy, addresses.admin)?);
    log.follow(&shared.tuning);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.spawn(level.follow(Arc::clone(&shared.tuning)));
    let ended = runtime.block_on(serve(shared, listeners, admin, addresses));
    // a compilation that is under way is not waited for
    runtime.shutdown_background();
    ended
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    proxy: SocketAddr,
    admin: SocketAddr,
}

async fn serve(
    shared: Arc<Shared>,
    listeners: Vec<StdListener>,
    admin: StdListener,
    addresses: Addresses,
) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let (ready, is_ready) = watch::channel(false);
    tokio::spawn(admin::serve(TcpListener::from_std(admin)?, Arc::clone(&shared), is_ready));
    tokio::spawn(Arc::clone(&shared.secrets).follow());
    let sender = tokio::select! {
        // clients wait in the listeners' backlog: none is served without the filters that should be there
        prepared = prepare(&shared, addresses) => prepared?,
        () = stop.asked() => return Ok(()),
    };
    let spawn = |(number, listener)| worker::spawn(Arc::clone(&shared), number, listener);
    let workers: Vec<JoinHandle<()>> = listeners.into_iter().enumerate().map(spawn).collect::<Result<_, _>>()?;
    ready.send_replace(true);
    // whoever started the agent may have stopped listening, which is no reason not to work
    let _ = writeln!(std::io::stdout(), "agent ready: proxy {}, admin {}", addresses.proxy, addresses.admin);

    stop.asked().await;
    tracing::info!("stopping: exchanges in flight have {:?}", shared.tuning.now().drain);
    shared.shutdown.begin();
    let drained =
        tokio::task::spawn_blocking(move || workers.into_iter().map(JoinHandle::join).filter(Result::is_err).count());
    tokio::select! {
        crashed = drained => {
            let crashed = crashed?;
            anyhow::ensure!(crashed == 0, "{crashed} workers ended abnormally");
        }
        () = stop.asked() => tracing::warn!("told to stop again: exchanges in flight are cut off"),
    }
    if let Some(sender) = sender {
        tokio::task::spawn_blocking(|| sender.stop()).await?;
    }
    Ok(())
}

/// Everything that has to be there before the first client is served: the filters of the folder, and those of the
/// orchestrator or, without it, of the last run.
async fn prepare(shared: &Arc<Shared>, addresses: Addresses) -> anyhow::Result<Option<Sender>> {
    let sender = match &shared.config.orchestrator {
        Some(orchestrator) => Some(follow_orchestrator(shared, orchestrator, addresses).await?),
        None => None,
    };
    if let Some(dir) = &shared.config.filters {
        let folder = Folder::open(dir.clone(), Arc::clone(shared)).await?;
        tokio::spawn(folder.follow());
    }
    Ok(sender)
}

async fn follow_orchestrator(
    shared: &Arc<Shared>,
    orchestrator: &OrchestratorConfig,
    addresses: Addresses,
) -> anyhow::Result<Sender> {
    let config = &shared.config;
    let name = sysinfo::System::host_name().unwrap_or_else(|| "agent".to_owned());
    let identity = identity(config, orchestrator, &name).await?;
    let link = Link::new(&orchestrator.urls, &identity)?;
    let keys = config.trust_keys.iter().cloned().chain(identity.publishers.clone());
    let mut applier = Applier::open(Arc::clone(shared), identity.group.clone(), keys, &config.data_dir)?;
    let restored = applier.restore().await;

    let (metrics_interval, asked) = watch::channel(None);
    let applied = watch::Sender::new(restored);
    let mut is_applied = applied.subscribe();
    let control = Control {
        shared: Arc::clone(shared),
        link: link.clone(),
        introduction: Introduction { name, listen: addresses.proxy, admin: addresses.admin },
        settings: Settings { metrics_interval },
        applied,
    };
    tokio::spawn(control.run(applier));
    let folder = Identity::folder(&config.data_dir);
    tokio::spawn(Renewal { identity, folder, link: link.clone() }.run());
    tokio::spawn(metrics::report(Arc::clone(&shared.tuning), link.clone(), asked));
    let link_for_ca = link.clone();
    let sender = Sender::start(Arc::clone(shared), link, config.data_dir.join("spool")).await.context("the spool")?;
    if !restored {
        tracing::info!("waiting for the orchestrator: no client is served before its filters are known");
    }
    is_applied.wait_for(|applied| *applied).await?;
    if config.intercept.ca == CaChoice::Fleet {
        has_intermediate(shared, link_for_ca).await;
    }
    Ok(sender)
}

/// Clients whose TLS is intercepted wait until there is something to show them.
async fn has_intermediate(shared: &Arc<Shared>, link: Link) {
    let intermediates = Intermediates { shared: Arc::clone(shared), data_dir: shared.config.data_dir.clone(), link };
    tokio::spawn(intermediates.run());
    let is_needed = shared.tuning.now().intercept.enabled;
    while is_needed && !shared.authority.is_ready() {
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The identity of an earlier run, unless another join token is to be spent; else a new one for the token, however long
/// the orchestrator is away.
async fn identity(config: &Config, orchestrator: &OrchestratorConfig, name: &str) -> anyhow::Result<Identity> {
    let folder = Identity::folder(&config.data_dir);
    let known = Identity::load(&folder)?;
    let token = match (&orchestrator.join_token, known) {
        (None, Some(known)) => return Ok(known),
        (None, None) => return Err(crate::control::JoinError::NoToken(orchestrator.urls.join(", ")).into()),
        (Some(token), Some(known)) if known.is_of(token) => {
            tracing::info!("joined before as agent {}: the join token is not used again", known.agent_id);
            return Ok(known);
        }
        (Some(token), Some(known)) => {
            tracing::info!("joined before as agent {}, and joins anew with another join token", known.agent_id);
            match Identity::join(&folder, &orchestrator.urls, token, name).await {
                // traffic is not to wait for it
                Err(error) if error.is_passing() => {
                    tracing::warn!("{error}; still agent {}, the token is tried at the next start", known.agent_id);
                    return Ok(known);
                }
                joined => return Ok(joined?),
            }
        }
        (Some(token), None) => token,
    };
    let mut back_off = BackOff::default();
    loop {
        match Identity::join(&folder, &orchestrator.urls, token, name).await {
            Ok(identity) => {
                tracing::info!("joined as agent {}, group {}", identity.agent_id, identity.group);
                return Ok(identity);
            }
            Err(error) if error.is_passing() => {
                let wait = back_off.wait();
                tracing::warn!("{error}; next attempt in {wait:.1?}");
                sleep(wait).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// SIGTERM or SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
