//! The way of records from the workers to the thread that sends them. A worker appends to a queue of its own and wakes
//! nobody; the sending thread comes round. Bounded in bytes: what finds no room is dropped and counted.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use uuid::Uuid;
use weir_host::Connection;

use super::{
    Recording,
    batch::{CONNECTIONS_TAG, EXCHANGES_TAG, Lost, MESSAGES_TAG, TUNNELS_TAG},
    lines::{self, Lines},
    tunnels::{ConnectionRecord, TunnelRecord},
    wire,
};
use crate::{
    config::{CaptureConfig, Tuning},
    ids,
    roster::Card,
};

/// Buffers that a worker keeps for its next exchanges, and how large one may be to be kept.
const SPARE_BUFFERS: usize = 64;
const SPARE_BYTES: usize = 256 << 10;
/// Of a queue, what all but exchanges may fill: a chatty WebSocket is not to push exchanges out.
const OTHERS_SHARE: usize = 2;

/// What all workers record into.
#[derive(Default)]
pub struct Recorder {
    /// one for each worker, and the last for lines of filters; none: nothing is recorded
    queues: Vec<Arc<Queue>>,
    pub(super) counts: Counts,
}

/// What became of records.
#[derive(Default)]
pub(super) struct Counts {
    /// accepted from workers
    pub(super) recorded: AtomicU64,
    /// acknowledged by the orchestrator
    pub(super) delivered: AtomicU64,
    /// lost for want of room, in memory or on disk
    pub(super) dropped: AtomicU64,
    /// the same of messages and the like
    pub(super) others_recorded: AtomicU64,
    pub(super) others_dropped: AtomicU64,
    /// bytes sent and not acknowledged, and those that have left the queues and are neither sent nor on disk yet
    pub(super) unacknowledged_bytes: AtomicU64,
    pub(super) spool_bytes: AtomicU64,
}

/// One worker's queue. The lock is held by the worker for one copy and by the sending thread, 40 times a second, for one
/// swap: they hardly ever meet.
pub(super) struct Queue {
    filled: Mutex<Filled>,
    bound: usize,
}

/// Encoded fields of a batch, one after the other.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) bytes: Vec<u8>,
    pub(super) exchanges: u64,
    pub(super) others: u64,
    pub(super) dropped: Lost,
}

impl Recorder {
    /// With a queue for each worker.
    pub fn new(workers: usize, capture: &CaptureConfig) -> Self {
        let queue = || Arc::new(Queue { filled: Mutex::default(), bound: capture.queue_bytes });
        let lines = Arc::new(Queue { filled: Mutex::default(), bound: lines::BOUND });
        Self { queues: (0..workers).map(|_| queue()).chain([lines]).collect(), counts: Counts::default() }
    }

    /// Records nothing, for an agent without an orchestrator.
    pub fn off() -> Self {
        Self::default()
    }

    /// Is anything recorded?
    pub fn is_on(&self) -> bool {
        !self.queues.is_empty()
    }

    /// The end of one worker, numbered from 0.
    pub fn worker(&self, number: usize) -> WorkerRecorder {
        let of_workers = self.queues.split_last().map_or(&[][..], |(_, of_workers)| of_workers);
        let inner = of_workers
            .get(number)
            .map(|queue| WorkerInner { queue: Arc::clone(queue), spare: RefCell::default() })
            .map(Rc::new);
        WorkerRecorder { inner }
    }

    /// Where lines of filters go.
    pub fn lines(&self) -> Lines {
        self.queues.last().map_or_else(Lines::default, |queue| Lines::into_queue(Arc::clone(queue)))
    }

    /// Exchanges that found room in a queue.
    pub fn recorded(&self) -> u64 {
        self.counts.recorded.load(Relaxed)
    }

    /// Exchanges the orchestrator has committed.
    pub fn delivered(&self) -> u64 {
        self.counts.delivered.load(Relaxed)
    }

    /// Exchanges that are lost to the record.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Relaxed) + self.waiting_to_be_told().exchanges
    }

    /// Messages and the like that found room in a queue.
    pub fn others_recorded(&self) -> u64 {
        self.counts.others_recorded.load(Relaxed)
    }

    /// Messages and the like that are lost to the record.
    pub fn others_dropped(&self) -> u64 {
        self.counts.others_dropped.load(Relaxed) + self.waiting_to_be_told().others
    }

    fn waiting_to_be_told(&self) -> Lost {
        self.queues.iter().map(|queue| queue.filled.lock().dropped).sum()
    }

    /// Bytes in memory: queued by workers, on their way to the disk, or sent and not acknowledged.
    pub fn queued_bytes(&self) -> u64 {
        let queued: usize = self.queues.iter().map(|queue| queue.filled.lock().bytes.len()).sum();
        queued as u64 + self.counts.unacknowledged_bytes.load(Relaxed)
    }

    /// Bytes on disk.
    pub fn spool_bytes(&self) -> u64 {
        self.counts.spool_bytes.load(Relaxed)
    }

    /// Takes what the workers have queued, as the bytes of a `TrafficBatch`: for whoever records without an
    /// orchestrator.
    pub fn take(&self) -> Vec<u8> {
        let mut batch = Vec::new();
        self.drain(|filled| batch.extend_from_slice(&filled.bytes));
        self.counts.unacknowledged_bytes.fetch_sub(batch.len() as u64, Relaxed);
        batch
    }

    /// Takes what the workers have queued. It counts as unacknowledged from then on, until whoever takes it says where it is:
    /// at no moment it is in memory and nobody knows.
    pub(super) fn drain(&self, mut each: impl FnMut(Filled)) {
        for queue in &self.queues {
            let mut queued = queue.filled.lock();
            let filled = std::mem::take(&mut *queued);
            self.counts.unacknowledged_bytes.fetch_add(filled.bytes.len() as u64, Relaxed);
            drop(queued);
            self.counts.recorded.fetch_add(filled.exchanges, Relaxed);
            self.counts.others_recorded.fetch_add(filled.others, Relaxed);
            self.counts.dropped.fetch_add(filled.dropped.exchanges, Relaxed);
            self.counts.others_dropped.fetch_add(filled.dropped.others, Relaxed);
            if !filled.bytes.is_empty() || !filled.dropped.is_nothing() {
                each(filled);
            }
        }
    }
}

/// One worker's end of the recorder. `!Send`.
pub struct WorkerRecorder {
    inner: Option<Rc<WorkerInner>>,
}

pub(super) struct WorkerInner {
    queue: Arc<Queue>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl WorkerRecorder {
    /// An exchange begins: its request head is there. What is in force now is in force to its end.
    pub fn begin(&self, id: Uuid, tuning: &Tuning) -> Recording {
        self.inner.as_ref().map_or_else(Recording::off, |inner| Recording::begin(inner, id, tuning))
    }

    /// A client has connected.
    pub fn connection(&self, card: &Arc<Card>, tuning: &Tuning) -> ConnectionRecord {
        let inner = self.inner.as_ref().filter(|_| tuning.capture.connections);
        inner.map_or_else(ConnectionRecord::default, |inner| ConnectionRecord::begin(&inner.queue, card))
    }

    /// A client asks for a tunnel, over the connection with this id.
    pub fn tunnel(&self, of: Option<Uuid>, facts: &Arc<Connection>, tuning: &Tuning) -> TunnelRecord {
        let inner = self.inner.as_ref().filter(|_| tuning.capture.connections);
        inner.map_or_else(TunnelRecord::off, |inner| TunnelRecord::begin(inner, (ids::new(), of), facts, tuning))
    }

    /// Bytes of each body to capture, 0 when nothing is recorded; and whether the digest of the whole is taken of a longer one.
    pub fn body_limit(&self, tuning: &Tuning) -> (usize, bool) {
        let limit = if self.inner.is_some() { tuning.capture.body_bytes } else { 0 };
        (limit, tuning.capture.whole_digest)
    }
}

impl WorkerInner {
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(2 << 10))
    }

    /// Takes an encoded exchange.
    pub(super) fn deliver(&self, exchange: Vec<u8>) {
        self.append(EXCHANGES_TAG, exchange, self.queue.bound);
    }

    /// Takes an encoded message.
    pub(super) fn deliver_message(&self, message: Vec<u8>) {
        self.append(MESSAGES_TAG, message, self.queue.bound / OTHERS_SHARE);
    }

    pub(super) fn deliver_tunnel(&self, tunnel: Vec<u8>) {
        self.append(TUNNELS_TAG, tunnel, self.queue.bound / OTHERS_SHARE);
    }

    /// Appends a record to the queue and keeps its buffer for the next.
    fn append(&self, tag: u8, mut record: Vec<u8>, bound: usize) {
        self.queue.append(tag, &record, bound);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS && record.capacity() <= SPARE_BYTES {
            record.clear();
            spare.push(record);
        }
    }
}

impl Queue {
    /// Takes an encoded connection, from whatever thread its socket ends on.
    pub(super) fn deliver_connection(&self, connection: &[u8]) {
        self.append(CONNECTIONS_TAG, connection, self.bound / OTHERS_SHARE);
    }

    /// Never waits for more than a copy.
    pub(super) fn append(&self, tag: u8, record: &[u8], bound: usize) {
        let needed = 1 + wire::varint_len(record.len() as u64) + record.len();
        let mut filled = self.filled.lock();
        let fits = filled.bytes.len() + needed <= bound;
        let Filled { exchanges, others, dropped, .. } = &mut *filled;
        *match (tag == EXCHANGES_TAG, fits) {
            (true, true) => exchanges,
            (false, true) => others,
            (true, false) => &mut dropped.exchanges,
            (false, false) => &mut dropped.others,
        } += 1;
        if fits {
            filled.bytes.push(tag);
            wire::varint(&mut filled.bytes, record.len() as u64);
            filled.bytes.extend_from_slice(record);
        }
    }
}
