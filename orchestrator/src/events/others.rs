//! Events to and from other orchestrators on the same database, as notifications: some in each, so that many cost little.
//! One that is too long for a notification, or comes while the database is away, is not carried: the others are told that
//! they missed something.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Event, Events, Outbox};
use crate::orchestrator::Orchestrator;

/// PostgreSQL takes less than 8,000 bytes.
const LONGEST: usize = 7_800;
/// What comes within this time goes together.
const TOGETHER: Duration = Duration::from_millis(10);
const MANY: usize = 256;

/// Something on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Said {
    Event { at_us: u64, event: Box<Event> },
    Looked { looked: Uuid },
}

/// A notification.
#[derive(Serialize, Deserialize)]
struct Letter<T> {
    from: Uuid,
    /// Something was said that is not in here.
    missed: bool,
    /// All of that was of pauses. Earlier versions take it for anything.
    #[serde(default)]
    only_pauses: bool,
    /// A kind of a later version is none that this one knows.
    said: Vec<T>,
}

/// What is not in the letters so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Missed {
    some: bool,
    pauses: bool,
}

impl Said {
    fn is_of_a_pause(&self) -> bool {
        matches!(self, Self::Event { event, .. } if event.is_of_a_pause())
    }
}

impl Events {
    /// A notification of another orchestrator, or the own one.
    pub(crate) fn hear(&self, own: Uuid, text: &str) {
        let Ok(letter) = serde_json::from_str::<Letter<serde_json::Value>>(text) else { return self.missed() };
        if letter.from == own {
            return;
        }
        match (letter.missed, letter.only_pauses) {
            (true, true) => self.missed_pauses(),
            (true, false) => self.missed(),
            (false, _) => {}
        }
        for said in letter.said {
            match serde_json::from_value(said) {
                Ok(Said::Event { at_us, event }) => self.tell(at_us, *event),
                Ok(Said::Looked { looked }) => self.looks.tell(0, 0, looked, size_of::<Uuid>()),
                Err(_) => {}
            }
        }
    }
}

/// Tells the others what is published here, until `stop`.
pub(crate) async fn carry(orchestrator: Arc<Orchestrator>, mut outbox: Outbox, stop: CancellationToken) {
    if !orchestrator.store.has_others() {
        drop(outbox);
        return stop.cancelled().await;
    }
    let mut missed = Missed::default();
    loop {
        let mut some = Vec::new();
        tokio::select! {
            _ = outbox.recv_many(&mut some, MANY) => {}
            () = stop.cancelled() => return,
        }
        sleep(TOGETHER).await;
        while some.len() < MANY
            && let Ok(more) = outbox.try_recv()
        {
            some.push(more);
        }
        missed.some |= orchestrator.events.lost.swap(false, Relaxed);
        missed.pauses |= orchestrator.events.lost_pauses.swap(false, Relaxed);
        for text in letters(orchestrator.relay.own, some, &mut missed) {
            if let Err(error) = orchestrator.store.say_to_others(&text).await {
                tracing::debug!(%error, "events are not told to other orchestrators");
                missed.some = true;
            }
        }
    }
}

/// As few as they fit in.
fn letters(own: Uuid, said: Vec<Said>, missed: &mut Missed) -> Vec<String> {
    let mut letters = Vec::new();
    let mut part = Vec::new();
    let mut length = 0;
    let mut seal = |part: &mut Vec<_>, missed: &mut Missed| {
        let Missed { some, pauses } = std::mem::take(missed);
        let letter =
            Letter { from: own, missed: some || pauses, only_pauses: pauses && !some, said: std::mem::take(part) };
        letters.extend(serde_json::to_string(&letter));
    };
    for said in said {
        let Ok(text) = serde_json::to_string(&said) else { continue };
        if text.len() > LONGEST - 100 {
            let is_of_a_pause = said.is_of_a_pause();
            missed.some |= !is_of_a_pause;
            missed.pauses |= is_of_a_pause;
            continue;
        }
        if length + text.len() > LONGEST - 100 {
            seal(&mut part, missed);
            length = 0;
        }
        length += text.len() + 1;
        part.push(said);
    }
    if !part.is_empty() || *missed != Missed::default() {
        seal(&mut part, missed);
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::{super::Heard, *};

    fn said(name: &str) -> Said {
        let (group, version) = (String::new(), String::new());
        let event = Event::AgentConnected { agent: Uuid::nil(), name: name.to_owned(), group, version };
        Said::Event { at_us: 1, event: Box::new(event) }
    }

    fn event(name: &str) -> Event {
        let Said::Event { event, .. } = said(name) else { panic!() };
        *event
    }

    #[tokio::test]
    async fn letters_are_short_and_lose_nothing_unsaid() {
        let long = "x".repeat(LONGEST);
        let all = (0..300).map(|n| said(&n.to_string())).chain([said(&long)]).collect();
        let mut missed = Missed::default();
        let own = Uuid::new_v4();
        let letters = letters(own, all, &mut missed);
        assert!(missed == Missed::default() && letters.len() > 1 && letters.iter().all(|letter| letter.len() < 8_000));
        let (events, _outbox) = Events::new();
        let mut follower = events.follow(None, |_| true);
        letters.iter().for_each(|letter| events.hear(own, letter));
        letters.iter().for_each(|letter| events.hear(Uuid::nil(), letter));
        let mut gaps = 0;
        let mut next = 0;
        while next < 300 {
            match follower.next().await {
                Heard::Item(told) => {
                    assert_eq!(told.item, event(&next.to_string()));
                    next += 1;
                }
                Heard::Missed => gaps += 1,
            }
        }
        assert_eq!(gaps, 1, "the long one");
    }

    fn pause() -> Event {
        let nil = Uuid::nil();
        Event::ExchangePaused(super::super::Pause {
            paused: nil,
            breakpoint: nil,
            exchange: nil,
            agent: nil,
            message: "request".to_owned(),
            method: "GET".to_owned(),
            url: String::new(),
            status: None,
        })
    }

    #[tokio::test]
    async fn a_flood_of_pauses_is_a_gap_to_whoever_follows_pauses_and_nobody_else() {
        let (here, mut outbox) = Events::new();
        (0..super::super::WAITING).for_each(|_| here.publish(pause()));
        here.publish(event("a"));
        assert!(here.lost_pauses.load(Relaxed) && !here.lost.load(Relaxed));
        let mut some = Vec::new();
        while let Ok(said) = outbox.try_recv() {
            some.push(said);
        }
        let mut missed = Missed { some: false, pauses: true };
        let letters = letters(Uuid::new_v4(), some, &mut missed);
        assert!(letters[0].contains(r#""missed":true"#), "earlier versions hear it");

        let (there, _outbox) = Events::new();
        let follow = |family: &'static str| there.follow(None, move |kind| kind.starts_with(family));
        let (mut pauses, mut agents) = (follow("exchange."), follow("agent."));
        letters.iter().for_each(|letter| there.hear(Uuid::nil(), letter));
        assert!(matches!(pauses.next().await, Heard::Missed));
        assert!(matches!(pauses.next().await, Heard::Item(told) if told.item == pause()));
        assert!(matches!(agents.next().await, Heard::Item(told) if told.item == event("a")));
        // From an earlier version a gap is one of anything.
        there.hear(Uuid::nil(), &format!(r#"{{"from":"{}","missed":true,"said":[]}}"#, Uuid::new_v4()));
        assert!(matches!(agents.next().await, Heard::Missed));
    }

    #[tokio::test]
    async fn what_is_not_understood_is_a_gap_and_a_new_kind_is_not() {
        let (events, _outbox) = Events::new();
        let mut follower = events.follow(None, |_| true);
        events.hear(Uuid::nil(), "{");
        assert!(matches!(follower.next().await, Heard::Missed));
        let new = r#"{"at_us":1,"event":{"kind":"new.kind"}}"#;
        let known = serde_json::to_string(&said("known")).unwrap();
        let from = Uuid::new_v4();
        events.hear(Uuid::nil(), &format!(r#"{{"from":"{from}","missed":false,"said":[{new},{known}]}}"#));
        assert!(matches!(follower.next().await, Heard::Item(told) if told.item == event("known")));
    }
}
