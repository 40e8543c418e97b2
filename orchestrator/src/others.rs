//! Other orchestrators on the same database: their changes are taken over here, and each knows whose agents are where.
//! With SQLite there are none, and this does nothing.

use std::{sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    orchestrator::Orchestrator,
    store::{News, Others},
};

/// Between two exchanges of who is where.
const PRESENCE: Duration = Duration::from_secs(2);

/// Tells agents here of statements that came in elsewhere, lets go of those that were revoked there, takes over a new
/// admin token, and tells followers here what happened there.
pub(crate) async fn watch(orchestrator: Arc<Orchestrator>, mut others: Others, stop: CancellationToken) {
    let mut seen = Seen::default();
    // What was changed before they were heard.
    seen.look(&orchestrator).await;
    loop {
        let news = tokio::select! {
            news = others.news(&orchestrator.store) => news,
            () = stop.cancelled() => return,
        };
        match news {
            News::Arrived => {
                orchestrator.store.arrived_elsewhere();
                continue;
            }
            News::Said(text) => {
                orchestrator.events.hear(orchestrator.relay.own, &text);
                continue;
            }
            News::Listening => {
                orchestrator.store.arrived_elsewhere();
                orchestrator.events.missed();
            }
            // As long as they are not heard, what came is looked for.
            News::Quiet => orchestrator.store.arrived_elsewhere(),
            News::Changed => {}
        }
        seen.look(&orchestrator).await;
    }
}

/// What was found at the last look.
#[derive(Default)]
struct Seen {
    statements: u64,
    revoked: u64,
}

impl Seen {
    async fn look(&mut self, orchestrator: &Orchestrator) {
        if !orchestrator.store.has_others() {
            return;
        }
        match orchestrator.store.shared().await {
            Ok(shared) => {
                if self.statements != shared.newest_statement {
                    self.statements = shared.newest_statement;
                    orchestrator.fleet.announce();
                }
                if self.revoked != shared.revoked {
                    self.revoked = shared.revoked;
                    orchestrator.fleet.announce_revocation();
                }
                if let Some(admin) = shared.admin {
                    *orchestrator.admin.write() = admin;
                }
            }
            Err(error) => tracing::debug!(%error, "what other orchestrators changed cannot be read"),
        }
    }
}

/// Says which agents are here and hears which ones are elsewhere.
pub(crate) async fn presence(orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
    if !orchestrator.store.has_others() {
        return stop.cancelled().await;
    }
    let own = orchestrator.relay.own;
    let mut ticks = tokio::time::interval(PRESENCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stopped = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        let here = if stopped { Vec::new() } else { orchestrator.fleet.here() };
        match orchestrator.store.exchange_presence(own, here).await {
            Ok(elsewhere) => orchestrator.fleet.set_elsewhere(elsewhere),
            Err(error) => tracing::debug!(%error, "who is where cannot be exchanged"),
        }
        if stopped {
            return;
        }
    }
}
