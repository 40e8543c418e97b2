//! One PostgreSQL server: its cluster made in a folder, its process started, killed, started again. It refuses to run as
//! root, so root runs it as the system user `postgres`.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::{ca::Ca, ports::reserve};

/// Of the one role, which may do everything.
const ROLE: &str = "weir";
/// Longest that a start may take: it may have a journal to go through.
const PATIENCE: Duration = Duration::from_secs(60);
/// What tests need not wait for. A killed process loses nothing by it: the kernel has what was written.
const SETTINGS: [&str; 10] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=400",
    "shared_buffers=64MB",
    "autovacuum_naptime=10s",
    "log_min_messages=warning",
    // a session that does not come about keeps others from dropping databases
    "authentication_timeout=5s",
    "ssl=on",
];

/// Where a server is, and with which password.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) port: u16,
    pub(super) password: String,
}

impl Place {
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    pub(super) fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        options.username(ROLE).password(&self.password).database(database)
    }

    /// Does it answer?
    pub(super) fn answers(&self) -> anyhow::Result<()> {
        let options = self.options("postgres");
        let ask = async move { PgConnection::connect_with(&options).await?.close().await };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(ask)?)
    }
}

/// A server of one's own. Killed with this.
pub struct Server {
    dir: PathBuf,
    at: Place,
    child: Child,
}

impl Server {
    /// Starts one whose files lie in `dir`/postgres.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let dir = dir.join("postgres");
        blocking(move || {
            make(&dir)?;
            let at = Place { port: reserve()?, password: password(&dir)? };
            let child = run(&dir, at.port, true)?;
            let mut server = Self { dir, at, child };
            server.wait()?;
            Ok(server)
        })
        .await
    }

    /// `postgres://…` of a database that is there from the beginning, with the password.
    pub fn url(&self) -> String {
        self.at.url("postgres")
    }

    /// The certificate of the authority that vouches for it, which is for `localhost` alone.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.at.port
    }

    /// SIGKILL to all of it: nothing is said goodbye to.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let own = i32::try_from(self.child.id())?;
        let all = children(own)?;
        for pid in std::iter::once(own).chain(all.iter().copied()) {
            signal(pid, libc::SIGKILL);
        }
        self.child.wait()?;
        let until = Instant::now() + PATIENCE;
        while all.iter().any(|pid| is_running(*pid)) {
            ensure!(Instant::now() < until, "parts of PostgreSQL are left");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// SIGINT: ends sessions and then itself, in order.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        signal(i32::try_from(self.child.id())?, libc::SIGINT);
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again with what it had.
    pub async fn restart(mut self) -> anyhow::Result<Self> {
        blocking(move || {
            self.child = run(&self.dir, self.at.port, true)?;
            self.wait()?;
            Ok(self)
        })
        .await
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        ready(&self.dir, &self.at, &mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends all of it at once.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id().cast_signed(), libc::SIGQUIT);
            let _ = self.child.wait();
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Makes the cluster, unless there is one of this version.
pub(super) fn make(dir: &Path) -> anyhow::Result<()> {
    let data = dir.join("data");
    let initdb = program("initdb")?;
    if is_whole(dir, &initdb) {
        return Ok(());
    }
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("clearing {}", dir.display()))?;
    }
    fs::create_dir_all(dir)?;
    let leaf = {
        let ca = Ca::new("testkit PostgreSQL")?;
        fs::write(dir.join("ca.pem"), ca.pem())?;
        ca.leaf(&["localhost"])?
    };
    for (name, text) in [
        ("password", uuid::Uuid::new_v4().simple().to_string()),
        ("server.crt", leaf.certificate),
        ("server.key", leaf.key),
    ] {
        fs::write(dir.join(name), text)?;
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600))?;
    }
    if is_root() {
        let given = Command::new("chown").args(["-R", "postgres:postgres"]).arg(dir).status()?;
        ensure!(given.success(), "chown of {} failed", dir.display());
    }
    let mut command = as_user(&initdb, None);
    command.arg("-D").arg(&data).arg("--pwfile").arg(dir.join("password"));
    command.args(["-U", ROLE, "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    let made = command.stdin(Stdio::null()).output().context("running initdb")?;
    ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    // Written last: a cluster that was not made to its end has none.
    fs::write(dir.join("made-by"), initdb.as_os_str().as_encoded_bytes())?;
    Ok(())
}

fn is_whole(dir: &Path, initdb: &Path) -> bool {
    fs::read(dir.join("made-by")).is_ok_and(|by| by == initdb.as_os_str().as_encoded_bytes())
}

pub(super) fn password(dir: &Path) -> anyhow::Result<String> {
    Ok(fs::read_to_string(dir.join("password")).context("the password of PostgreSQL")?.trim().to_owned())
}

/// Starts the server, with us or for itself.
pub(super) fn run(dir: &Path, port: u16, dies_with_us: bool) -> anyhow::Result<Child> {
    let mut command = as_user(&program("postgres")?, dies_with_us.then_some("QUIT"));
    command.arg("-D").arg(dir.join("data")).arg("-p").arg(port.to_string());
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    for (name, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
        command.arg("-c").arg(format!("{name}={}", dir.join(file).display()));
    }
    let log = fs::File::options().create(true).append(true).open(dir.join("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
    apart(&mut command);
    if dies_with_us { spawn_for_good(command) } else { command.spawn() }.context("starting PostgreSQL")
}

/// From a thread that lives as long as we do. prctl(2), PR_SET_PDEATHSIG: the signal comes when the thread ends that
/// started the process, and those of a runtime end when they have had nothing to do for ten seconds.
fn spawn_for_good(mut command: Command) -> io::Result<Child> {
    type Job = Box<dyn FnOnce() + Send>;
    static STARTER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (send, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
        send
    });
    let (tell, told) = mpsc::channel();
    let job = move || {
        // whoever asked waits for it
        let _ = tell.send(command.spawn());
    };
    STARTER.send(Box::new(job)).map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
    told.recv().map_err(io::Error::other)?
}

/// In a session of its own, and with nothing of ours in its hands: it may outlive whoever started us, and the locks and
/// pipes that we inherited are not to.
pub(super) fn apart(command: &mut Command) -> &mut Command {
    let first: libc::c_uint = 3;
    // SAFETY: setsid(2) and close_range(2) are async-signal-safe and touch no memory; nothing is closed before exec.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        })
    }
}

/// Waits until it answers.
pub(super) fn ready(dir: &Path, at: &Place, child: &mut Child) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let Err(error) = at.answers() else { return Ok(()) };
        let ended = child.try_wait()?;
        if ended.is_some() || Instant::now() > until {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            bail!("PostgreSQL does not answer ({error}; ended: {ended:?}):\n{log}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// On the PATH, or where Debian keeps it: the newest.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest = debian.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    let debian = newest.map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = debian.into_iter().chain(std::env::split_paths(&path)).map(|dir: PathBuf| dir.join(name));
    let found = all.into_iter().find(|program| program.exists());
    found.with_context(|| format!("PostgreSQL's {name} is not there: `cargo xtask test` installs it"))
}

pub(super) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The program as whoever may run it; with the signal that it is to get when we end.
pub(super) fn as_user(program: &Path, at_our_end: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    if let Some(signal) = at_our_end {
        command.args(["--pdeathsig", signal]);
    }
    command.arg("--").arg(program);
    command
}

pub(super) fn signal(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes two integers; the processes are those that we started, or theirs.
    unsafe { libc::kill(pid, signal) };
}

fn is_running(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Processes whose parent it is.
fn children(of: i32) -> anyhow::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // proc(5): behind the name in parentheses come the state and the parent
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        if parent == Some(of) {
            found.push(pid);
        }
    }
    Ok(found)
}
