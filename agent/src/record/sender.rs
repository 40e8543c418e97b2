//! The thread that gets records to the orchestrator. Comes round to the workers' queues, sends batches, keeps each until
//! it is acknowledged, and spools to disk what cannot be sent now. Nothing here is ever waited for by an exchange.

use std::{
    collections::VecDeque,
    future::pending,
    io,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};

use super::{
    Recorder,
    batch::{self, Lost},
    sink::Sink,
    spool::{Frame, Position, Spool},
};
use crate::{
    control::{BackOff, Link, Parting},
    worker::Shared,
};

const ROUND: Duration = Duration::from_millis(25);
/// For acknowledgements still on their way when the agent stops.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs until told to stop.
pub struct Sender {
    thread: std::thread::JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Sender {
    /// Starts the thread. What an earlier run left in the spool at `folder` is sent first.
    ///
    /// # Errors
    /// The spool cannot be used or the thread not started.
    pub async fn start(shared: Arc<Shared>, link: Link, folder: PathBuf) -> io::Result<Self> {
        let capture = &shared.config.capture;
        let bound = capture.spool_bytes;
        // every byte of it is read, and who starts us has health to tell of meanwhile
        let spool =
            tokio::task::spawn_blocking(move || Spool::open(folder, bound)).await.map_err(io::Error::other)??;
        let mut state = State {
            spool,
            window: VecDeque::new(),
            window_bytes: 0,
            window_bound: capture.queue_bytes,
            refused: VecDeque::new(),
            refused_bytes: 0,
            next_number: 1,
            untold: Lost::default(),
            sink: None,
            shared,
        };
        state.publish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || runtime.block_on(state.run(link, stopped)))?;
        Ok(Self { thread, stop })
    }

    /// Takes the last records, waits a moment for acknowledgements, spools the rest. To be called when no worker runs
    /// any more. Blocks.
    pub fn stop(self) {
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the recorder ended abnormally");
        }
    }
}

/// A batch that is sent, or about to be, and not acknowledged.
struct Unacknowledged {
    number: u64,
    frame: Frame,
    /// where it stays on disk until then
    spooled: Option<Position>,
}

struct State {
    shared: Arc<Shared>,
    spool: Spool,
    window: VecDeque<Unacknowledged>,
    window_bytes: usize,
    window_bound: usize,
    /// what the disk would not take, in order: it waits in memory, and so does all that comes after it
    refused: VecDeque<Frame>,
    refused_bytes: usize,
    next_number: u64,
    /// what was lost and no batch has told of
    untold: Lost,
    sink: Option<Sink>,
}

type Opening = Pin<Box<dyn Future<Output = Result<Sink, Parting>>>>;

impl State {
    async fn run(mut self, link: Link, mut stopped: oneshot::Receiver<()>) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut back_off = BackOff::default();
        let mut opening: Option<Opening> = Some(Box::pin(Sink::open(link.clone())));
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                _ = rounds.tick() => self.collect(),
                opened = done(&mut opening) => {
                    opening = None;
                    match opened {
                        Ok(sink) => self.connected(sink),
                        Err(parting) => opening = Some(later(&link, parting, &mut back_off)),
                    }
                }
                acknowledged = next_ack(&mut self.sink) => match acknowledged {
                    Ok(number) => {
                        back_off.reset();
                        self.acknowledge(number);
                    }
                    Err(parting) => {
                        self.disconnected();
                        opening = Some(later(&link, parting, &mut back_off));
                    }
                },
            }
        }
        self.end().await;
    }

    fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// One round of the workers' queues. While the disk takes nothing and there is as much in memory as may be, what comes stays in the
    /// queues, as long as they have room.
    fn collect(&mut self) {
        self.try_again();
        if self.refused_bytes < self.window_bound {
            self.take_in();
        }
        self.pump();
    }

    fn take_in(&mut self) {
        let mut queued = Vec::new();
        self.shared.recorder.drain(|filled| {
            if queued.is_empty() {
                queued = filled.bytes;
            } else {
                queued.extend_from_slice(&filled.bytes);
            }
            self.untold += filled.dropped;
        });
        for frame in batch::cut(queued) {
            self.offer(frame);
        }
    }

    /// Straight to the orchestrator if it keeps up and nothing older waits, else to disk.
    fn offer(&mut self, frame: Frame) {
        if self.refused.is_empty() && self.goes_at_once() {
            self.send(frame, None);
        } else {
            self.keep(frame);
        }
    }

    fn goes_at_once(&self) -> bool {
        self.sink.is_some() && !self.spool.has_unread() && self.has_room()
    }

    /// What the disk refused may go straight to the orchestrator by now, or to a disk that has room again.
    fn try_again(&mut self) {
        while let Some(frame) = self.refused.pop_front() {
            if self.goes_at_once() {
                self.refused_bytes -= frame.payload.len();
                self.send(frame, None);
            } else if self.spool.append(&frame).is_ok() {
                self.refused_bytes -= frame.payload.len();
            } else {
                return self.refused.push_front(frame);
            }
        }
    }

    /// Sends on from the spool, as far as the window allows.
    fn pump(&mut self) {
        while self.sink.is_some() && self.has_room() {
            match self.spool.next() {
                Ok(Some((position, frame))) => self.send(frame, Some(position)),
                Ok(None) => break,
                Err(error) => tracing::error!("the spool: {error}"),
            }
        }
        let lost = self.spool.take_lost();
        if !lost.is_nothing() {
            self.lose(lost, "the spool is full");
        }
        // never by way of the spool, where the number itself could be lost
        if !self.untold.is_nothing() && self.sink.is_some() && self.has_room() {
            let untold = std::mem::take(&mut self.untold);
            self.send(batch::lost(untold), None);
        }
        self.publish();
    }

    fn has_room(&self) -> bool {
        self.window_bytes < self.window_bound
    }

    fn send(&mut self, frame: Frame, spooled: Option<Position>) {
        let number = self.next_number;
        self.next_number += 1;
        self.window_bytes += frame.payload.len();
        if let Some(sink) = &self.sink {
            sink.send(number, frame.payload.clone());
        }
        self.window.push_back(Unacknowledged { number, frame, spooled });
    }

    fn connected(&mut self, sink: Sink) {
        for batch in &self.window {
            sink.send(batch.number, batch.frame.payload.clone());
        }
        self.sink = Some(sink);
        self.pump();
    }

    /// What is unacknowledged goes to disk: this process may end before the orchestrator is back.
    fn disconnected(&mut self) {
        self.sink = None;
        let in_memory = || self.window.iter().filter(|batch| batch.spooled.is_none());
        let payload = in_memory().map(|batch| batch.frame.payload.len()).sum();
        // else it is safest where it is
        if self.spool.has_room(in_memory().count(), payload) {
            self.spool_window();
        }
        self.pump();
    }

    fn spool_window(&mut self) {
        self.window_bytes = 0;
        // what was sent before the first batch from the spool is older than it, the rest is newer
        let first = self.window.iter().position(|batch| batch.spooled.is_some()).unwrap_or(self.window.len());
        let newer = self.window.split_off(first);
        let older: Vec<Frame> = self.window.iter().map(|batch| batch.frame.clone()).collect();
        match self.spool.prepend(&older) {
            Ok(()) => self.window.clear(),
            // safest where it is, then: it is sent again from there
            Err(error) => {
                tracing::warn!("the spool: {error}");
                self.window_bytes = older.iter().map(|frame| frame.payload.len()).sum();
            }
        }
        for Unacknowledged { frame, spooled, .. } in newer.iter().rev() {
            if let Some(position) = spooled {
                self.spool.give_back(*position, frame);
            }
        }
        for Unacknowledged { frame, spooled, .. } in newer {
            if spooled.is_none() {
                self.keep(frame);
            }
        }
    }

    fn keep(&mut self, frame: Frame) {
        if self.refused.is_empty() {
            match self.spool.append(&frame) {
                Ok(()) => return,
                Err(error) => tracing::warn!("the spool: {error}: records wait in memory, as far as there is room"),
            }
        }
        if self.refused_bytes + frame.payload.len() > self.window_bound {
            return self.lose(Lost::of(&frame), "the disk takes nothing, and memory is full");
        }
        self.refused_bytes += frame.payload.len();
        self.refused.push_back(frame);
    }

    fn acknowledge(&mut self, number: u64) {
        while let Some(batch) = self.window.pop_front_if(|batch| batch.number <= number) {
            self.window_bytes -= batch.frame.payload.len();
            self.recorder().counts.delivered.fetch_add(u64::from(batch.frame.exchanges), Relaxed);
            if let Some(position) = batch.spooled
                && let Err(error) = self.spool.acknowledge(position)
            {
                tracing::error!("the spool: {error}");
            }
        }
        self.pump();
    }

    fn lose(&mut self, lost: Lost, why: &str) {
        let Lost { exchanges, others } = lost;
        if self.untold.is_nothing() {
            tracing::warn!("{exchanges} exchanges and {others} messages and the like are lost to the record: {why}");
        }
        self.untold += lost;
        self.recorder().counts.dropped.fetch_add(exchanges, Relaxed);
        self.recorder().counts.others_dropped.fetch_add(others, Relaxed);
    }

    fn publish(&mut self) {
        let counts = &self.shared.recorder.counts;
        counts.unacknowledged_bytes.store((self.window_bytes + self.refused_bytes) as u64, Relaxed);
        counts.spool_bytes.store(self.spool.bytes(), Relaxed);
    }

    async fn end(mut self) {
        self.collect();
        // whatever the disk says: what finds no room now is counted
        self.take_in();
        self.pump();
        let deadline = Instant::now() + LAST_WORDS;
        while self.sink.is_some() && (!self.window.is_empty() || self.spool.has_unread()) {
            match timeout_at(deadline, next_ack(&mut self.sink)).await {
                Ok(Ok(number)) => self.acknowledge(number),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.spool_window();
        self.try_again();
        let in_memory = self.window.iter().map(|batch| &batch.frame).chain(&self.refused);
        let given_up: Lost = in_memory.map(Lost::of).sum();
        if !given_up.is_nothing() {
            self.lose(given_up, "the disk takes nothing, and the agent stops");
        }
        if let Err(error) = self.spool.sync() {
            tracing::error!("the spool: {error}");
        }
        let (spooled, lost) = (self.spool.bytes(), self.spool.take_lost());
        if spooled != 0 || !lost.is_nothing() {
            let Lost { exchanges, others } = lost;
            tracing::info!(
                "{spooled} bytes of records wait on disk, {exchanges} exchanges and {others} messages and the like are lost"
            );
        }
    }
}

async fn done(opening: &mut Option<Opening>) -> Result<Sink, Parting> {
    match opening {
        Some(opening) => opening.await,
        None => pending().await,
    }
}

async fn next_ack(sink: &mut Option<Sink>) -> Result<u64, Parting> {
    match sink {
        Some(sink) => sink.acknowledged().await,
        None => pending().await,
    }
}

fn later(link: &Link, Parting { reason, wait }: Parting, back_off: &mut BackOff) -> Opening {
    let wait = back_off.wait_at_least(wait);
    tracing::debug!("records wait on disk: the orchestrator is away ({reason}); next attempt in {wait:.1?}");
    let link = link.clone();
    Box::pin(async move {
        sleep(wait).await;
        Sink::open(link).await
    })
}

#[cfg(test)]
mod tests;
