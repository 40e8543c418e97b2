//! The agent's own log: events enter from every thread, lines leave on standard error. A reader that does not read never
//! holds up a worker: lines that find no room are dropped and counted.

use std::{
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, reload};

use crate::config::{LogConfig, LogFormat, Tuned};

/// Lines on their way to standard error.
const QUEUED_LINES: usize = 4096;

/// How long the end of the process waits for somebody to read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Sends every event of this process to standard error from now on. The log that comes back is to be dropped last.
///
/// # Errors
/// The directives are wrong, or there is a log already.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<(Log, Level)> {
    let filter = EnvFilter::builder().parse(&config.level)?;
    let queue = Queue::start()?;
    let lines = queue.lines.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(queue);
    let (set, started): (SetLevel, _) = match config.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).with_filter_reloading();
            let filter = builder.reload_handle();
            (Box::new(move |new| filter.reload(new)), builder.try_init())
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let filter = builder.reload_handle();
            (Box::new(move |new| filter.reload(new)), builder.try_init())
        }
    };
    started.map_err(|error| anyhow::anyhow!("the log: {error}"))?;
    Ok((Log(lines), Level { set, in_force: config.level.clone() }))
}

type SetLevel = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send>;

/// What of all events is logged.
pub(crate) struct Level {
    set: SetLevel,
    in_force: String,
}

impl Level {
    /// As it is in force, from now on.
    pub(crate) async fn follow(mut self, tuning: Arc<Tuned>) {
        let mut changes = tuning.changes();
        loop {
            let wanted = tuning.now().log_level.clone();
            if wanted != self.in_force {
                // What was read when it was pushed is read again.
                let set = EnvFilter::builder().parse(&wanted).ok().map(&self.set);
                if !matches!(set, Some(Ok(()))) {
                    tracing::warn!("log.level stays `{}`: `{wanted}` cannot be set", self.in_force);
                }
                self.in_force = wanted;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The log of this process; its end waits until the lines so far are written.
pub(crate) struct Log(SyncSender<Entry>);

impl Drop for Log {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(LAST_LINES);
        }
    }
}

enum Entry {
    Line(Vec<u8>),
    /// answered when everything before is written
    Flush(SyncSender<()>),
}

#[derive(Clone)]
struct Queue {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    fn start() -> io::Result<Self> {
        let (lines, queued) = sync_channel(QUEUED_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&queued, &count))?;
        Ok(Self { lines, dropped })
    }
}

fn write(lines: &Receiver<Entry>, dropped: &AtomicU64) {
    for entry in lines {
        match entry {
            // nobody to tell when standard error is gone
            Entry::Line(line) => drop(io::stderr().write_all(&line)),
            Entry::Flush(done) => drop(done.send(())),
        }
        let dropped = dropped.swap(0, Relaxed);
        if dropped != 0 {
            let _ = writeln!(io::stderr(), "{dropped} lines of the log were dropped: nobody read it");
        }
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// The subscriber hands over one whole line at a time.
impl io::Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Entry::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
