//! How fast an agent may come: so many new streams and calls a minute, whatever certificate it shows and over however many
//! connections; one too many is refused, with when to come again. So is an address whose attempts to join come to nothing. What an agent says on its control stream, and of its
//! machine, is read at a pace.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use tokio::time::sleep;
use tonic::{Code, Status, metadata::MetadataMap};
use uuid::Uuid;

use crate::{
    Limits,
    access::{Buckets, holder},
    telemetry::Telemetry,
};

/// gRFC A6: milliseconds to the next attempt, for the client to heed.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// Seconds of the bounds on calls and on attempts to join.
const CALLS_WINDOW: u32 = 60;
/// Messages of the control stream: as many at once, and so many in these seconds. Three stand for an exchange that pauses.
const MESSAGES: NonZeroU32 = NonZeroU32::new(10_000).unwrap();
const MESSAGES_WINDOW: u32 = 10;
/// Seconds of the bound on samples of its machine.
const SAMPLES_WINDOW: u32 = 200;

/// Of all agents.
pub(super) struct Paces {
    joins: Buckets<IpAddr>,
    calls: Buckets<Uuid>,
    messages: Buckets<Uuid>,
    samples: Buckets<Uuid>,
    telemetry: Arc<Telemetry>,
}

impl Paces {
    pub(super) fn new(limits: Limits, telemetry: Arc<Telemetry>) -> Self {
        Self {
            joins: Buckets::new(limits.joins, CALLS_WINDOW),
            calls: Buckets::new(limits.agent_calls, CALLS_WINDOW),
            messages: Buckets::new(MESSAGES, MESSAGES_WINDOW),
            samples: Buckets::new(limits.agent_samples, SAMPLES_WINDOW),
            telemetry,
        }
    }

    /// One more attempt to join from this address: before anybody looks whether its token is one.
    pub(super) fn join(&self, address: IpAddr) -> Result<(), Status> {
        let budget = self.joins.take(&holder(address));
        let Some(wait_s) = budget.wait_s else { return Ok(()) };
        self.telemetry.joins_refused(address);
        let text = format!(
            "more than {} attempts to join from this address came to nothing within {} s: the next one is looked at in {wait_s} s",
            budget.quota, budget.window_s
        );
        Err(later(text, wait_s))
    }

    /// An agent came of it: it does not count.
    pub(super) fn joined(&self, address: IpAddr) {
        self.joins.put_back(&holder(address));
    }

    /// One more stream or call.
    pub(super) fn call(&self, agent: Uuid) -> Result<(), Status> {
        let budget = self.calls.take(&agent);
        let Some(wait_s) = budget.wait_s else { return Ok(()) };
        self.telemetry.paced(agent);
        let text = format!(
            "agent {agent} began more than {} streams and calls within {} s: it may come again in {wait_s} s; does it fail \
             at each, or another process use its identity?",
            budget.quota, budget.window_s
        );
        Err(later(text, wait_s))
    }

    /// One more message: who says too much waits to be heard.
    pub(super) async fn message(&self, agent: Uuid) {
        one(&self.messages, agent).await;
    }

    /// So many more samples.
    pub(super) async fn samples(&self, agent: Uuid, count: usize) {
        for _ in 0..count {
            one(&self.samples, agent).await;
        }
    }
}

/// Not now, but in so many seconds.
fn later(text: String, wait_s: u64) -> Status {
    let mut told = MetadataMap::new();
    told.insert(PUSHBACK, wait_s.saturating_mul(1000).into());
    Status::with_metadata(Code::ResourceExhausted, text, told)
}

async fn one(of: &Buckets<Uuid>, agent: Uuid) {
    while let Some(wait) = of.wait(&agent) {
        sleep(wait).await;
    }
}
