//! Who looks for all who follow: for each set of connections that somebody follows one task, which begins with the first of its
//! readers and ends with the last. What can be told from another's look is not asked for again.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::watch::{Receiver, Sender},
    time::{Instant, sleep_until},
};

use super::look::Look;
use crate::{
    events::{Event, Follower, Heard},
    orchestrator::Orchestrator,
    rest::connections::Whose,
};

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(1);
/// The same, when an agent came or went.
const SOON: Duration = Duration::from_millis(250);

/// What was seen last.
#[derive(Clone, Default)]
pub(super) enum Seen {
    #[default]
    Nothing,
    Look(Arc<Look>),
    /// The database does not say which agents there are.
    Failed {
        since: Instant,
    },
    /// There is none of that name.
    NoAgent,
}

/// What somebody follows.
#[derive(Default)]
pub(crate) struct Watch {
    views: Mutex<HashMap<Whose, View>>,
}

type View = Arc<Sender<Seen>>;

impl Watch {
    /// What is seen, from now on.
    pub(super) fn follow(orchestrator: &Arc<Orchestrator>, whose: Whose) -> Receiver<Seen> {
        let mut views = orchestrator.watch.views.lock();
        match views.entry(whose) {
            Entry::Occupied(view) => view.get().subscribe(),
            Entry::Vacant(place) => {
                let whose = place.key().clone();
                let view = Arc::new(Sender::new(Seen::Nothing));
                let seen = view.subscribe();
                place.insert(Arc::clone(&view));
                tokio::spawn(look_again(Arc::clone(orchestrator), whose, view));
                seen
            }
        }
    }

    /// Unless somebody came meanwhile.
    fn is_forgotten(&self, whose: &Whose, view: &View) -> bool {
        let mut views = self.views.lock();
        let is_left = view.receiver_count() == 0;
        if is_left {
            views.remove(whose);
        }
        is_left
    }

    /// Told from the look at all clients of the same agents, where there is one that is whole.
    fn told_by_another(&self, whose: &Whose) -> Option<Look> {
        let client = whose.client?;
        let all = Whose { client: None, ..whose.clone() };
        let seen = self.views.lock().get(&all)?.borrow().clone();
        match seen {
            Seen::Look(look) => look.of_client(client),
            _ => None,
        }
    }
}

/// Until nobody follows any more.
async fn look_again(orchestrator: Arc<Orchestrator>, whose: Whose, view: View) {
    let mut failing: Option<Instant> = None;
    loop {
        let began = Instant::now();
        let mut events = orchestrator.events.follow(None, |kind| kind.starts_with("agent."));
        tokio::select! {
            seen = look(&orchestrator, &whose, &mut failing) => drop(view.send_replace(seen)),
            () = view.closed() => {}
            () = orchestrator.stop.cancelled() => return,
        }
        // Where agents take long to answer they are asked less often.
        let due = began + AGAIN.max(began.elapsed() * 2);
        let soon = Instant::now() + SOON;
        tokio::select! {
            () = sleep_until(due) => {}
            () = agents_change(&mut events, soon) => {}
            () = view.closed() => {}
            () = orchestrator.stop.cancelled() => return,
        }
        if orchestrator.watch.is_forgotten(&whose, &view) {
            return;
        }
    }
}

async fn look(orchestrator: &Orchestrator, whose: &Whose, failing: &mut Option<Instant>) -> Seen {
    if let Some(look) = orchestrator.watch.told_by_another(whose) {
        *failing = None;
        return Seen::Look(Arc::new(look));
    }
    match Look::at(orchestrator, whose).await {
        Ok(found) => {
            *failing = None;
            found.map_or(Seen::NoAgent, |look| Seen::Look(Arc::new(look)))
        }
        Err(error) => {
            tracing::debug!(%error, "connections are not looked at");
            Seen::Failed { since: *failing.get_or_insert_with(Instant::now) }
        }
    }
}

/// Until one came or went, not before `soon`.
async fn agents_change(events: &mut Follower<'_, Event>, soon: Instant) {
    loop {
        match events.next().await {
            Heard::Missed => break,
            Heard::Item(told) => match told.item {
                Event::AgentConnected { .. } | Event::AgentDisconnected { .. } | Event::AgentRevoked { .. } => break,
                _ => {}
            },
        }
    }
    sleep_until(soon).await;
}
