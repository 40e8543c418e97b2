//! The server that all tests share. Whoever uses it holds a shared lock of the file `users` to its end; the one that starts
//! it starts a watcher beside it, which ends it when it gets that lock alone.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::server::{Place, apart, as_user, is_root, make, password, ready, run};
use crate::{binaries, ports::reserve};

/// Its arguments: the file `users`, and the server's process id. SIGINT ends PostgreSQL in order.
const WATCHER: &str = r#"
runs() { [ -r "/proc/$1/stat" ] && ! grep -q ') Z ' "/proc/$1/stat"; }
exec 9<"$1"
while runs "$2"; do
  sleep 15
  if flock --nonblock --exclusive 9; then
    kill -INT "$2"
    while runs "$2"; do sleep 0.1; done
  fi
done
"#;

/// Folder of files named after databases.
const DISCARDED: &str = "discarded";

/// Held to the end of this process.
static USED: OnceLock<File> = OnceLock::new();

/// Where it is, without the databases that nobody needs any more; starts it when it is not running.
pub(super) fn server() -> anyhow::Result<Place> {
    let place = found()?;
    let discarded = folder()?.join(DISCARDED);
    let files = fs::read_dir(discarded).into_iter().flatten().filter_map(Result::ok);
    // The file goes first: another process that looks for some at the same time leaves this one alone.
    let ours = files.filter(|file| fs::remove_file(file.path()).is_ok());
    let names: Vec<String> = ours.filter_map(|file| file.file_name().into_string().ok()).collect();
    if !names.is_empty() {
        drop_databases(&place, names)?;
    }
    Ok(place)
}

/// The database may be dropped.
pub(super) fn discard(name: &str) {
    let note = || -> anyhow::Result<()> {
        let dir = folder()?.join(DISCARDED);
        fs::create_dir_all(&dir)?;
        Ok(fs::write(dir.join(name), "")?)
    };
    if let Err(error) = note() {
        eprintln!("database {name} is left: {error:#}");
    }
}

fn found() -> anyhow::Result<Place> {
    let dir = folder()?;
    fs::create_dir_all(&dir)?;
    let lock = |name: &str| File::options().create(true).append(true).open(dir.join(name));
    if USED.get().is_none() {
        // Waits for a watcher that is about to end the server.
        let users = lock("users")?;
        users.lock_shared()?;
        let _ = USED.set(users);
    }
    let starting = lock("starting")?;
    starting.lock()?;
    let cluster = dir.join("cluster");
    if let Some(place) = running(&dir, &cluster) {
        return Ok(place);
    }
    start(&dir, &cluster)
}

fn running(dir: &Path, cluster: &Path) -> Option<Place> {
    let port = fs::read_to_string(dir.join("port")).ok()?.trim().parse().ok()?;
    let place = Place { port, password: password(cluster).ok()? };
    place.answers().ok().map(|()| place)
}

fn start(dir: &Path, cluster: &Path) -> anyhow::Result<Place> {
    make(cluster)?;
    let place = Place { port: reserve()?, password: password(cluster)? };
    let mut child = run(cluster, place.port, false)?;
    ready(cluster, &place, &mut child)?;
    fs::write(dir.join("port"), place.port.to_string())?;
    let mut watcher = Command::new("sh");
    watcher.args(["-c", WATCHER, "watcher"]).arg(dir.join("users")).arg(child.id().to_string());
    watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    apart(&mut watcher).spawn().context("starting the watcher of PostgreSQL")?;
    sweep(&place)?;
    Ok(place)
}

/// Drops the databases of tests before.
fn sweep(place: &Place) -> anyhow::Result<()> {
    let options = place.options("postgres");
    let left = run_to_end(async move {
        let mut admin = PgConnection::connect_with(&options).await?;
        let left =
            sqlx::query(r"SELECT datname FROM pg_database WHERE datname LIKE 'w\_%'").fetch_all(&mut admin).await?;
        admin.close().await?;
        left.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()
    })?;
    drop_databases(place, left)
}

fn drop_databases(place: &Place, names: Vec<String>) -> anyhow::Result<()> {
    let options = place.options("postgres");
    run_to_end(async move {
        let mut admin = PgConnection::connect_with(&options).await?;
        for name in names {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await?;
        }
        admin.close().await
    })
}

fn run_to_end<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work)?)
}

/// `target/postgres`, or a temporary folder where the user that PostgreSQL runs as cannot get there.
fn folder() -> anyhow::Result<PathBuf> {
    let target = binaries::target_dir()?;
    let reaches = |dir: &Path| {
        let mut look = as_user(Path::new("test"), None);
        look.arg("-x").arg(dir).status().is_ok_and(|status| status.success())
    };
    if !is_root() || reaches(&target) {
        return Ok(target.join("postgres"));
    }
    let name: String = target.display().to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    Ok(std::env::temp_dir().join(format!("weir-postgres{name}")))
}
