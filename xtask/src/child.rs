//! A program that runs beside us: started, waited for by its ready line, ended with us, whatever ends us.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// See the module.
pub(crate) struct Child {
    name: String,
    child: std::process::Child,
    log: PathBuf,
    ready: String,
}

impl Child {
    /// Starts the command, its output to `log`, and waits for a line that begins with `ready`.
    pub(crate) fn start(name: &str, command: &mut Command, ready: &str, log: &Path) -> anyhow::Result<Self> {
        let mut child = Self::spawn(name, command, log)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let printed = fs::read_to_string(log).unwrap_or_default();
            if let Some(line) = printed.lines().find_map(|line| line.strip_prefix(ready)) {
                child.ready = line.trim().to_owned();
                return Ok(child);
            }
            if !child.is_running() || Instant::now() > deadline {
                bail!("{name} did not say `{ready}`:\n{printed}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the command, its output to `log`.
    pub(crate) fn spawn(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // SAFETY: prctl(2) is async-signal-safe and touches nothing of ours.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            })
        };
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), ready: String::new() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub(crate) fn log(&self) -> std::path::Display<'_> {
        self.log.display()
    }

    /// The address after `word` in the ready line, as in `REST 127.0.0.1:7080, gRPC 127.0.0.1:7443`.
    pub(crate) fn address(&self, word: &str) -> anyhow::Result<String> {
        let part = self.ready.split(',').find_map(|part| part.trim().strip_prefix(word));
        Ok(part.with_context(|| format!("no `{word}` in `{}`", self.ready))?.trim().to_owned())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM; SIGKILL when it has not ended after five seconds.
    pub(crate) fn stop(&mut self) {
        // SAFETY: kill(2) takes two integers; the child is ours and not reaped.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_running() {
            self.stop();
        }
    }
}

/// Waits so long for SIGINT or SIGTERM, which from the first call on no longer end us.
pub(crate) fn interrupted(limit: Duration) -> anyhow::Result<bool> {
    // SAFETY: the set is initialised by sigemptyset before it is read, and lives over both calls.
    let signal = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        if libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            bail!("blocking signals failed");
        }
        let limit = libc::timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
        libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const limit)
    };
    Ok(signal > 0)
}
