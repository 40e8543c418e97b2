//! A PostgreSQL of Debian's with an empty cluster and its own settings, but for where it listens: what it promises of the
//! disk holds. It refuses to run as root, so root runs it as `postgres`.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use super::super::site::{free_port, wait_for};
use crate::{child::Child, steps::output, test::programs};

pub(super) struct Postgres {
    url: String,
    _process: Child,
}

impl Postgres {
    pub(super) fn start(dir: &Path) -> anyhow::Result<Self> {
        programs(&[("initdb", "postgresql"), ("psql", "postgresql-client"), ("setpriv", "util-linux")])?;
        let (cluster, port) = (dir.join("postgres"), free_port()?);
        fs::create_dir_all(&cluster)?;
        if is_root()? {
            output(Command::new("chown").arg("postgres:postgres").arg(&cluster))?;
        }
        let mut initdb = as_user(&program("initdb")?)?;
        output(initdb.args(["-U", "weir", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(&cluster))?;
        let mut command = as_user(&program("postgres")?)?;
        command.arg("-D").arg(&cluster).args(["-p", &port.to_string(), "-c", "unix_socket_directories="]);
        let process = Child::spawn("PostgreSQL", &mut command, &dir.join("postgres.log"))?;
        wait_for(port, "PostgreSQL")?;
        Ok(Self { url: format!("postgres://weir@127.0.0.1:{port}/postgres?sslmode=disable"), _process: process })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Of its database.
    pub(super) fn bytes(&self) -> anyhow::Result<u64> {
        let ask = "SELECT pg_database_size(current_database())";
        let answer = output(Command::new("psql").args([&self.url, "--tuples-only", "--no-align", "--command", ask]))?;
        answer.trim().parse().with_context(|| format!("`{answer}` is no number of bytes"))
    }
}

fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn as_user(program: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("setpriv");
    if is_root()? {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program).current_dir("/");
    Ok(command)
}

/// The newest that Debian has here, or the one on the PATH.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    Ok(newest.map_or_else(|| name.into(), |version| format!("/usr/lib/postgresql/{version}/bin/{name}").into()))
}
