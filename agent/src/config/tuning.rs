//! The part of the configuration that can change while the agent runs. Swapped whole: who began with one goes on with it.

use std::{cell::RefCell, ops::Deref, rc::Rc, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::redact::Rules;

use super::{CaptureConfig, ClientLimits, Config, InterceptConfig, MetricsConfig, UpstreamConfig};

/// What is in force. Of what cannot change, it has what the agent started with.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub client: ClientLimits,
    pub upstream: UpstreamConfig,
    pub intercept: InterceptConfig,
    /// but for the room that there is
    pub capture: CaptureConfig,
    pub metrics: MetricsConfig,
    /// directives of what is logged
    pub log_level: String,
    /// how long exchanges and tunnels in flight may go on after the agent was told to stop
    pub drain: Duration,
    /// what is not recorded
    pub redaction: Option<Arc<Rules>>,
    /// Somebody has set the interval of the metrics: whoever runs the agent, or a publisher.
    pub sets_metrics_interval: bool,
}

impl Tuning {
    /// As the agent starts.
    pub fn of(config: &Config) -> Self {
        Self {
            client: config.client.clone(),
            upstream: config.upstream.clone(),
            intercept: config.intercept.clone(),
            capture: config.capture.clone(),
            metrics: config.metrics.clone(),
            log_level: config.log.level.clone(),
            drain: config.drain,
            redaction: Rules::new(&config.redact).map(Arc::new),
            sets_metrics_interval: config.local.sets("metrics.interval"),
        }
    }

    /// With nothing but this set.
    #[cfg(test)]
    pub(crate) fn of_capture(capture: CaptureConfig) -> Self {
        Self::of(&Config { capture, ..Config::default() })
    }

    /// Takes over what can be pushed (`weir_desired::live_keys`), and nothing else.
    pub(super) fn adopt(&mut self, from: &Config) {
        let Self { client, upstream, intercept, capture, metrics, .. } = self;
        client.body_idle = from.client.body_idle;
        client.connections = from.client.connections;
        client.handshake_timeout = from.client.handshake_timeout;
        client.head_bytes = from.client.head_bytes;
        client.head_timeout = from.client.head_timeout;
        client.headers = from.client.headers;
        client.peek_timeout = from.client.peek_timeout;
        client.streams = from.client.streams;
        client.tunnel_idle = from.client.tunnel_idle;
        client.write_timeout = from.client.write_timeout;
        upstream.body_idle = from.upstream.body_idle;
        upstream.connect_timeout = from.upstream.connect_timeout;
        upstream.head_timeout = from.upstream.head_timeout;
        upstream.idle_connections = from.upstream.idle_connections;
        upstream.idle_timeout = from.upstream.idle_timeout;
        intercept.enabled = from.intercept.enabled;
        intercept.pass_through = from.intercept.pass_through.clone();
        capture.body_bytes = from.capture.body_bytes;
        capture.connections = from.capture.connections;
        capture.filter_lines = from.capture.filter_lines;
        capture.message_bytes = from.capture.message_bytes;
        capture.messages = from.capture.messages;
        capture.whole_digest = from.capture.whole_digest;
        metrics.buffer = from.metrics.buffer;
        metrics.disk_details = from.metrics.disk_details;
        metrics.interval = from.metrics.interval;
        metrics.interfaces = from.metrics.interfaces.clone();
        metrics.disks = from.metrics.disks.clone();
        self.log_level.clone_from(&from.log.level);
        self.drain = from.drain;
        self.redaction = Rules::new(&from.redact).map(Arc::new);
        self.sets_metrics_interval = from.local.sets("metrics.interval");
    }
}

/// What all of the agent shares of it.
pub struct Tuned {
    current: ArcSwap<Tuning>,
    changes: watch::Sender<()>,
}

impl Tuned {
    pub fn new(tuning: Tuning) -> Self {
        Self { current: ArcSwap::from_pointee(tuning), changes: watch::Sender::new(()) }
    }

    /// In force from now on.
    pub fn set(&self, tuning: Tuning) {
        self.current.store(Arc::new(tuning));
        self.changes.send_replace(());
    }

    pub fn now(&self) -> Arc<Tuning> {
        self.current.load_full()
    }

    /// Changes when another is in force.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }
}

/// One worker's view. Its exchanges count their holds on it here, not at a place that other cores write too.
pub struct WorkerTuning {
    shared: Arc<Tuned>,
    own: RefCell<Rc<InForce>>,
}

/// A hold on what was in force.
pub struct InForce(Arc<Tuning>);

impl Deref for InForce {
    type Target = Tuning;

    fn deref(&self) -> &Tuning {
        &self.0
    }
}

impl WorkerTuning {
    pub fn new(shared: &Arc<Tuned>) -> Self {
        Self { shared: Arc::clone(shared), own: RefCell::new(Rc::new(InForce(shared.now()))) }
    }

    /// What is in force now.
    pub fn now(&self) -> Rc<InForce> {
        let current = self.shared.current.load();
        let mut own = self.own.borrow_mut();
        if !Arc::ptr_eq(&current, &own.0) {
            *own = Rc::new(InForce(Arc::clone(&current)));
        }
        Rc::clone(&own)
    }
}
