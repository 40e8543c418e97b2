//! The queue between workers and the sending thread: bounded, counted, and without loss.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::tuning;
use crate::{
    config::Config,
    record::{Outcome, Recorder},
};

#[test]
fn a_full_queue_drops_and_counts() {
    let mut capture = Config::default().capture;
    capture.queue_bytes = 1000;
    let recorder = Recorder::new(1, &capture);
    let worker = recorder.worker(0);
    for _ in 0..100 {
        worker.begin(Uuid::nil(), &tuning()).finish(Outcome::Complete, Some(&"x".repeat(100)));
    }
    assert!(recorder.queued_bytes() <= 1000);
    let dropped = recorder.dropped();
    let mut exchanges = 0;
    recorder.drain(|filled| exchanges += filled.exchanges);
    assert_eq!((exchanges + dropped, recorder.dropped(), recorder.recorded()), (100, dropped, exchanges));
    assert!(exchanges > 3);
    worker.begin(Uuid::nil(), &tuning()).finish(Outcome::Complete, None);
    assert!(recorder.queued_bytes() > 0, "there is room again");
}

#[test]
fn without_an_orchestrator_nothing_is_recorded() {
    let recorder = Recorder::off();
    let worker = recorder.worker(0);
    let recording = worker.begin(Uuid::nil(), &tuning());
    assert!(!recording.is_on() && worker.body_limit(&tuning()).0 == 0);
    recording.finish(Outcome::Complete, None);
    recorder.drain(|_| panic!("nothing is queued"));
}

#[test]
fn workers_and_the_sending_thread_lose_nothing_between_them() {
    let recorder = Arc::new(Recorder::new(2, &Config::default().capture));
    let mut seen = 0;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let recorder = Arc::clone(&recorder);
                scope.spawn(move || {
                    let (worker, tuning) = (recorder.worker(number), tuning());
                    let end = |id| worker.begin(Uuid::from_u128(id), &tuning).finish(Outcome::Complete, None);
                    (0..5000_u128).for_each(end);
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            recorder.drain(|filled| seen += filled.exchanges);
            std::thread::park_timeout(Duration::from_micros(200));
        }
    });
    recorder.drain(|filled| seen += filled.exchanges);
    assert_eq!((seen, recorder.dropped()), (10_000, 0));
}
