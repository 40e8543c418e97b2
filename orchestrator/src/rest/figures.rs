//! What agents counted of filters, as their last heartbeats told it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use weir_proto::v1::{FilterFigures, Heartbeat};

/// Of one filter on one agent, since that version became active there; as old as the agent's last heartbeat.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Figures {
    /// Calls into the guest.
    calls: u64,
    /// Exchanges that met a hook.
    exchanges: u64,
    /// Exchanges that it failed, by kind; kinds without any are left out.
    failures: BTreeMap<String, u64>,
    /// In hooks, microseconds.
    time_us: u64,
    /// Calls by the time that each took.
    times: Vec<Bucket>,
    /// Body bytes copied into the guest.
    bytes_in: u64,
    /// Body bytes copied out of the guest.
    bytes_out: u64,
    /// Live instances.
    instances: u64,
    /// Linear memory of the live instances, bytes.
    memory_bytes: u64,
    /// Generations that are loaded: more than 1 while exchanges use an older one.
    generations: u64,
    log_lines: u64,
    /// Log lines over the limit.
    log_suppressed: u64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct Bucket {
    /// No call of this bucket took longer, microseconds; null: there is no bound.
    up_to_us: Option<u32>,
    calls: u64,
}

impl Figures {
    /// Of the filter of this name and digest, if the heartbeat tells of it.
    pub(super) fn find(heartbeat: &Heartbeat, name: &str, digest: &str) -> Option<Self> {
        let figures = heartbeat.filters.iter().find(|figures| figures.name == name && figures.digest == digest)?;
        Some(Self::from(figures))
    }
}

impl From<&FilterFigures> for Figures {
    fn from(figures: &FilterFigures) -> Self {
        let bounds = figures.time_bounds_us.iter().copied().map(Some).chain([None]);
        let buckets = bounds.zip(&figures.times).map(|(up_to_us, calls)| Bucket { up_to_us, calls: *calls });
        Self {
            calls: figures.calls,
            exchanges: figures.exchanges,
            failures: figures.failures.clone().into_iter().collect(),
            time_us: figures.time_us,
            times: buckets.collect(),
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            instances: figures.instances,
            memory_bytes: figures.memory_bytes,
            generations: figures.generations,
            log_lines: figures.log_lines,
            log_suppressed: figures.log_suppressed,
        }
    }
}
