//! The record of one exchange as it comes about: what is written at once, and what has to be kept until the end because
//! only then it is known whether a filter changed it. Enters: heads, chunks and trailers as they pass; leaves: the
//! finished [`Recording`]. Must not know tasks.

use bytes::Bytes;
use http::{HeaderMap, request, response};
use weir_host::{Direction, Run};

use super::capture::Capture;
use super::messages::Watch;
use crate::record::{Outcome, Recording, Side};

pub(super) struct Ledger {
    recording: Recording,
    /// of a body, and whether the digest is taken of a longer one
    limit: (usize, bool),
    /// by direction
    bodies: [Passed; 2],
    /// a response head was written: what there is of its body belongs to it
    responded: bool,
    /// the response is not the upstream's
    local: bool,
    /// where there are messages in a body, by direction
    watches: [Option<Box<Watch>>; 2],
}

/// What passed in one direction.
#[derive(Default)]
struct Passed {
    received: Capture,
    /// what went on in place of it; only where filters take part
    sent: Option<Capture>,
    received_trailers: Option<HeaderMap>,
    /// the head of the side that filters made, or found, is written
    both_heads: bool,
    /// all that came is received, and all that went on is sent
    received_ended: bool,
    sent_ended: bool,
}

impl Ledger {
    pub(super) fn new(mut recording: Recording, limit: (usize, bool), request: &request::Parts) -> Self {
        let passed = || Passed { received: Capture::new(limit), ..Passed::default() };
        let watches = [Watch::of(Direction::Request, &request.headers, None, &mut recording), None];
        Ledger { recording, limit, bodies: [passed(), passed()], responded: false, local: false, watches }
    }

    pub(super) fn recording(&mut self) -> &mut Recording {
        &mut self.recording
    }

    /// The head as it goes up, where a filter or a person changed it.
    pub(super) fn changed_request(&mut self, head: &request::Parts) {
        self.bodies[Direction::Request as usize].both_heads = true;
        self.recording.request_head(Side::Filtered, head);
    }

    /// The head as the client gets it, and as it was where a filter or a person changed it.
    pub(super) fn response(&mut self, head: &response::Parts, original: Option<&response::Parts>) {
        self.responded = true;
        self.recording.response_head(Side::Filtered, head);
        let other = original.map(|original| &original.headers);
        self.watches[Direction::Response as usize] =
            Watch::of(Direction::Response, &head.headers, other, &mut self.recording);
        if let Some(original) = original {
            self.bodies[Direction::Response as usize].both_heads = true;
            self.recording.response_head(Side::Original, original);
        }
    }

    /// From here on what goes out in this direction may differ from what came in.
    pub(super) fn may_change(&mut self, direction: Direction) {
        self.bodies[direction as usize].sent = Some(Capture::new(self.limit));
    }

    /// A response made here takes the place of whatever had begun to arrive.
    pub(super) fn begin_local_response(&mut self) {
        self.local = true;
        self.bodies[Direction::Response as usize] = Passed { received: Capture::new(self.limit), ..Passed::default() };
    }

    pub(super) fn received(&mut self, direction: Direction, chunk: &Bytes) {
        let passed = &mut self.bodies[direction as usize];
        passed.received.chunk(chunk);
        // of a request what the client said, of a response what it gets
        if direction == Direction::Request || passed.sent.is_none() {
            self.watch(direction, chunk);
        }
    }

    pub(super) fn sent(&mut self, direction: Direction, chunk: &Bytes) {
        if let Some(sent) = &mut self.bodies[direction as usize].sent {
            sent.chunk(chunk);
            if direction == Direction::Response {
                self.watch(direction, chunk);
            }
        }
    }

    /// Its sender has nothing more.
    pub(super) fn received_ended(&mut self, direction: Direction) {
        self.bodies[direction as usize].received_ended = true;
    }

    /// Nothing more goes on.
    pub(super) fn sent_ended(&mut self, direction: Direction) {
        self.bodies[direction as usize].sent_ended = true;
    }

    fn watch(&mut self, direction: Direction, chunk: &Bytes) {
        if let Some(watch) = &mut self.watches[direction as usize] {
            watch.passed(chunk);
        }
    }

    pub(super) fn received_trailers(&mut self, direction: Direction, trailers: &HeaderMap) {
        if self.recording.is_on() {
            self.bodies[direction as usize].received_trailers = Some(trailers.clone());
        }
    }

    /// Bytes of a connection that was upgraded, as they came and as they went on: counted, not kept.
    pub(super) fn passed(&mut self, direction: Direction, received: u64, sent: u64) {
        if received != sent {
            self.may_change(direction);
        }
        let passed = &mut self.bodies[direction as usize];
        passed.received.passed(received);
        if let Some(capture) = &mut passed.sent {
            capture.passed(sent);
        }
    }

    /// Bytes of the request as the client sent them, of the response as it got them.
    pub(super) fn of_client(&self) -> (u64, u64) {
        let [request, response] = &self.bodies;
        (request.received.size(), response.sent.as_ref().unwrap_or(&response.received).size())
    }

    /// Bytes that came from one peer and that went to the other, but for those that a tunnel has counted itself.
    pub(super) fn sizes(&self, direction: Direction) -> (u64, u64) {
        let passed = &self.bodies[direction as usize];
        let received = passed.received.chunks_size();
        let sent = passed.sent.as_ref().map_or(received, Capture::chunks_size);
        if direction == Direction::Response && self.local { (0, sent) } else { (received, sent) }
    }

    pub(super) fn finish(mut self, run: Option<&Run>, outcome: Outcome, error: Option<&str>) {
        self.watches = [None, None];
        if self.recording.is_on() {
            for receipt in run.into_iter().flat_map(Run::receipts) {
                self.recording.receipt(&receipt);
            }
            for tag in run.into_iter().flat_map(|run| &run.exchange().tags) {
                self.recording.tag(tag);
            }
            self.request_body(run);
            if self.responded {
                self.response_body(run);
            }
        }
        self.recording.finish(outcome, error);
    }

    fn request_body(&mut self, run: Option<&Run>) {
        let passed = &self.bodies[Direction::Request as usize];
        let (received, trailers) = (&passed.received, passed.received_trailers.as_ref());
        let received_ended = passed.received_ended;
        write_request(&mut self.recording, Side::Original, (received, received_ended), trailers);
        let sent = passed.sent.as_ref();
        // where nothing but the sender's own goes on, so do its trailers; what takes the place of it has those of filters
        let sent_trailers = match run {
            Some(run) => run.exchange().request_trailers.as_ref(),
            None => trailers.filter(|_| sent.is_none()),
        };
        let changed = sent.is_some_and(|sent| !sent.is_like(received)) || (sent.is_some() && sent_trailers != trailers);
        if changed
            && !passed.both_heads
            && let Some(run) = run
        {
            self.recording.request_head(Side::Filtered, &run.exchange().request);
        }
        if changed || passed.both_heads {
            let body = sent.map_or((received, received_ended), |sent| (sent, passed.sent_ended));
            write_request(&mut self.recording, Side::Filtered, body, sent_trailers.or(trailers));
        }
    }

    fn response_body(&mut self, run: Option<&Run>) {
        let passed = &self.bodies[Direction::Response as usize];
        let (received, trailers) = (&passed.received, passed.received_trailers.as_ref());
        let sent = passed.sent.as_ref();
        let of_filters = run.and_then(|run| run.exchange().response_trailers.as_ref());
        let sent_trailers = if sent.is_some() { of_filters } else { trailers };
        let received_ended = passed.received_ended;
        let body = sent.map_or((received, received_ended), |sent| (sent, passed.sent_ended));
        write_response(&mut self.recording, Side::Filtered, body, sent_trailers);
        let changed = sent.is_some_and(|sent| !sent.is_like(received)) || sent_trailers != trailers;
        if changed
            && !passed.both_heads
            && let Some(head) = run.and_then(|run| run.exchange().response.as_ref())
        {
            self.recording.response_head(Side::Original, head);
        }
        if changed || passed.both_heads {
            write_response(&mut self.recording, Side::Original, (received, received_ended), trailers);
        }
    }
}

/// What there is of a body, and whether that is all of it.
type Body<'a> = (&'a Capture, bool);

fn write_request(recording: &mut Recording, side: Side, (body, ended): Body<'_>, trailers: Option<&HeaderMap>) {
    if body.size() != 0 {
        recording.request_body(side, (body.chunks(), ended), body.size(), body.whole_digest());
    }
    if let Some(trailers) = trailers {
        recording.request_trailers(side, trailers);
    }
}

fn write_response(recording: &mut Recording, side: Side, (body, ended): Body<'_>, trailers: Option<&HeaderMap>) {
    if body.size() != 0 {
        recording.response_body(side, (body.chunks(), ended), body.size(), body.whole_digest());
    }
    if let Some(trailers) = trailers {
        recording.response_trailers(side, trailers);
    }
}
