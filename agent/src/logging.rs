//! The agent's own log: events enter from every thread, lines leave on standard error. A reader that does not read never
//! holds up a worker: lines that find no room are dropped and counted.

use std::{
    io::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::config::{LogConfig, LogFormat};

/// Lines on their way to standard error.
const QUEUED_LINES: usize = 4096;

/// Sends every event of this process to standard error from now on.
///
/// # Errors
/// The directives are wrong, or there is a log already.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&config.level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Queue::start()?);
    match config.format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the log: {error}"))
}

#[derive(Clone)]
struct Queue {
    lines: SyncSender<Vec<u8>>,
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

fn write(lines: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    for line in lines {
        // nobody to tell when standard error is gone
        let _ = io::stderr().write_all(&line);
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
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.to_vec()) {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
