//! A program under test: started with a log file, waited for by its ready line, ended by its own process id.

use std::{
    ffi::OsStr,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::process::{Child, Command};

use crate::wait::{PATIENCE, eventually, within};

/// Lines of a log that a failed test shows.
const SHOWN_LINES: usize = 120;

/// See the module.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    pid: i32,
}

impl Process {
    /// Starts `program`; standard output and error go to `log`, after what is there.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &OsStr)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log).context("opening the log")?;
        let mut command = Command::new(program);
        // what whoever runs the tests has set for programs of their own is nothing for these
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"WEIR_")) {
            command.env_remove(name);
        }
        let child = command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().context("just started")?.cast_signed();
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), pid })
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// All it has printed.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for a line that begins with `start`, printed after byte `from` of the log, and gives its rest.
    pub async fn line(&mut self, start: &str, from: usize) -> anyhow::Result<String> {
        // a program that starts may have large filters to compile first
        let deadline = tokio::time::Instant::now() + PATIENCE * 3;
        loop {
            let log = self.log();
            let printed = log.get(from..).unwrap_or_default();
            let mut lines = printed.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            if let Some(rest) = lines.find_map(|line| line.strip_prefix(start)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before it said `{start}`:\n{printed}", self.name);
            }
            ensure!(tokio::time::Instant::now() < deadline, "{} did not say `{start}`:\n{printed}", self.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until what it printed contains `text`.
    pub async fn says(&self, text: &str) -> anyhow::Result<String> {
        eventually(PATIENCE, &format!("`{text}` in the log of {}", self.name), || async {
            let log = self.log();
            Ok(log.contains(text).then_some(log))
        })
        .await
    }

    /// Is it still running?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("ending {}", self.name))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill(2) takes two integers; the pid is our own child's, which has not been reaped before drop.
        unsafe { libc::kill(self.pid, signal) };
    }

    /// Waits for it to end by itself.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        Ok(within(limit, &format!("{} ending", self.name), self.child.wait()).await??)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Test runners show this only for tests that failed.
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        eprintln!("--- {} (pid {}, {} lines)\n{shown}\n---", self.name, self.pid, lines.len());
    }
}

/// A command that runs to its end.
#[derive(Debug)]
pub struct Finished {
    /// Exit code 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a command that must succeed.
    pub fn ok(self) -> anyhow::Result<String> {
        ensure!(self.success, "the command failed:\n{}{}", self.stdout, self.stderr);
        Ok(self.stdout)
    }

    /// Everything a command said that must fail.
    pub fn refusal(self) -> anyhow::Result<String> {
        ensure!(!self.success, "the command was to fail, but said:\n{}", self.stdout);
        Ok(format!("{}{}", self.stdout, self.stderr))
    }
}

/// Runs a command to its end.
pub async fn run<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    environment: &[(&str, &OsStr)],
) -> anyhow::Result<Finished> {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(PATIENCE * 4, &program.display().to_string(), command.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Finished { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
}

/// The address after a word of a ready line, as in `proxy 127.0.0.1:8080, admin 127.0.0.1:8081`.
pub fn address(ready: &str, word: &str) -> anyhow::Result<SocketAddr> {
    let rest = ready.split(',').find_map(|part| part.trim().strip_prefix(word));
    let rest = rest.with_context(|| format!("no `{word}` in `{ready}`"))?;
    rest.trim().parse().with_context(|| format!("`{rest}` in `{ready}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn variables_of_whoever_runs_the_tests_stay_out() {
        const HERE: &str = "process::tests::variables_of_whoever_runs_the_tests_stay_out";
        // a process of its own has the variable from its beginning: setting one in a running process is unsound
        if std::env::var_os("WEIR_REST").is_none() {
            let mut own = Command::new(std::env::current_exe().unwrap());
            let output = own.args(["--exact", HERE]).env("WEIR_REST", "somewhere").output().await.unwrap();
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
            return;
        }
        let scratch = crate::scratch::Scratch::new("variables").unwrap();
        let log = scratch.join("env.log");
        let own = [("WEIR_TOKEN", OsStr::new("given"))];
        let mut env = Process::start::<&str>("env", Path::new("/usr/bin/env"), [], &own, &log).unwrap();
        env.ended(PATIENCE).await.unwrap();
        let printed: Vec<String> =
            env.log().lines().filter(|line| line.starts_with("WEIR_")).map(str::to_owned).collect();
        assert_eq!(printed, ["WEIR_TOKEN=given"]);
    }
}
