//! What a server keeps, and what it takes.

use std::{num::NonZeroU32, time::Duration};

use super::{ConfigError, ServeArgs, fault::value, file::File};

/// Seconds.
const HOUR: u64 = 3600;
/// The largest body takes 12 Mbit/s to arrive within it.
const PUSH_TIME: Duration = Duration::from_secs(60);
/// For 64 KiB of an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// To a request, and to the end of a head of HTTP/1.1.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// To the end of a connection's first head.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Of waiting for a body.
const BODY_GRACE: Duration = Duration::from_secs(30);
/// Connections of REST.
const CONNECTIONS: usize = 4096;
/// Of a peer's time at the agents' door: to say something, and then to finish its handshake.
const AGENT_WORD: Duration = Duration::from_secs(3);
const AGENT_HANDSHAKE: Duration = Duration::from_secs(10);
/// An agent opens three or four streams when it connects, and one for each component that it lacks.
const AGENT_CALLS: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// More than an address has connections without a certificate.
const JOINS: NonZeroU32 = NonZeroU32::new(120).unwrap();
/// One that comes back brings those of an hour.
const AGENT_SAMPLES: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// How long and how much is kept; the first bound reached counts.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Age of whatever agents sent.
    pub age: Duration,
    /// Number of exchanges, and of messages, tunnels and the like each.
    pub exchanges: u64,
    /// Bytes on disk: a tenth of them for metrics, at most a quarter for messages, a twentieth for tunnels, connections and lines of filters each.
    pub bytes: u64,
}

/// How long system metrics are kept, in each tier.
#[derive(Debug, Clone, Copy)]
pub struct MetricsRetention {
    /// Samples as they came.
    pub samples: Duration,
    /// One row for each minute.
    pub minutes: Duration,
    /// One row for each hour.
    pub hours: Duration,
}

/// Bounds on what comes in.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of one component.
    pub component_bytes: u64,
    /// Of recorded exchanges that wait for the disk.
    pub queued_bytes: u64,
    /// Of the time in which the body of a push has to arrive: it holds one of few turns.
    pub push_time: Duration,
    /// In which some of an answer has to be taken: it may hold one of few turns, too.
    pub answer_time: Duration,
    /// In which something has to be asked on a connection, or it ends.
    pub idle_time: Duration,
    /// In which the first head has to arrive on a connection, or it ends.
    pub head_time: Duration,
    /// Of a client's time, before a body has to come at a rate.
    pub body_grace: Duration,
    /// Of people and programs, at a time.
    pub connections: usize,
    /// In which a peer has to say something where agents connect, or its connection ends.
    pub agent_word: Duration,
    /// In which it then has to finish its handshake.
    pub agent_handshake: Duration,
    /// Attempts to join of one address that make no agent, a minute.
    pub joins: NonZeroU32,
    /// New streams and calls of one agent a minute.
    pub agent_calls: NonZeroU32,
    /// Samples of one agent's machine in 200 seconds.
    pub agent_samples: NonZeroU32,
}

impl Retention {
    pub(super) fn of(args: &ServeArgs, file: &File) -> Result<Self, ConfigError> {
        let hours = args.retention_hours.or(file.retention_hours).unwrap_or(30 * 24);
        let exchanges = args.retention_exchanges.or(file.retention_exchanges).unwrap_or(10_000_000);
        let bytes = args.retention_bytes.or(file.retention_bytes).unwrap_or(20 << 30);
        Ok(Self {
            age: Duration::from_secs(at_least("retention_hours", 1, hours)?.saturating_mul(HOUR)),
            exchanges: at_least("retention_exchanges", 1, exchanges)?,
            bytes: at_least("retention_bytes", 16 << 20, bytes)?,
        })
    }
}

impl MetricsRetention {
    pub(super) fn of(args: &ServeArgs, file: &File) -> Result<Self, ConfigError> {
        let samples = args.retention_metrics_hours.or(file.retention_metrics_hours).unwrap_or(48);
        let minutes = args.retention_metrics_minutes_days.or(file.retention_metrics_minutes_days).unwrap_or(30);
        let hours = args.retention_metrics_hours_days.or(file.retention_metrics_hours_days).unwrap_or(730);
        let time = |key, given, unit| Ok(Duration::from_secs(at_least(key, 1, given)?.saturating_mul(unit)));
        Ok(Self {
            samples: time("retention_metrics_hours", samples, HOUR)?,
            minutes: time("retention_metrics_minutes_days", minutes, 24 * HOUR)?,
            hours: time("retention_metrics_hours_days", hours, 24 * HOUR)?,
        })
    }
}

impl Limits {
    pub(super) fn of(args: &ServeArgs, file: &File) -> Result<Self, ConfigError> {
        let component = args.max_component_bytes.or(file.max_component_bytes).unwrap_or(64 << 20);
        let queued = args.max_queued_bytes.or(file.max_queued_bytes).unwrap_or(64 << 20);
        let component = at_least("max_component_bytes", 1 << 10, component)?;
        Ok(Self {
            component_bytes: at_most("max_component_bytes", weir_artifact::MAX_COMPONENT_BYTES, component)?,
            queued_bytes: at_least("max_queued_bytes", 1 << 20, queued)?,
            push_time: PUSH_TIME,
            answer_time: ANSWER_TIME,
            idle_time: IDLE_TIME,
            head_time: HEAD_TIME,
            body_grace: BODY_GRACE,
            connections: CONNECTIONS,
            agent_word: AGENT_WORD,
            agent_handshake: AGENT_HANDSHAKE,
            joins: JOINS,
            agent_calls: AGENT_CALLS,
            agent_samples: AGENT_SAMPLES,
        })
    }
}

pub(super) fn at_least(key: &'static str, low: u64, given: u64) -> Result<u64, ConfigError> {
    match given {
        given if given >= low => Ok(given),
        given => Err(value(key, format!("{given} is below the least that works, {low}"))),
    }
}

fn at_most(key: &'static str, high: u64, given: u64) -> Result<u64, ConfigError> {
    match given {
        given if given <= high => Ok(given),
        given => Err(value(key, format!("{given} is more than any agent takes, {high}"))),
    }
}
