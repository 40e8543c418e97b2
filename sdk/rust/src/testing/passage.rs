//! One exchange's passage through one filter: the agent's part, hook by hook.

use std::collections::{BTreeMap, VecDeque};

use weir_golden::{Message, Outcome, Status, Upstream, Verdict};

use super::{
    Exchange, Tested,
    live::{self, Head, Live},
};
use crate::{
    Action, BodyMode, CallOutcome, CallResponse, Chunk, Connection, DoneReason, Entry, Filter, Hook, LocalResponse,
    Resumption, UpstreamError, exchange::Direction, headers::Part,
};

pub(super) struct Passage<'a, F: Filter> {
    tested: &'a Tested<F>,
    number: u32,
    live: Option<Live>,
    exchange: Exchange,
    reason: Option<String>,
}

/// The exchange ends here.
enum End {
    Respond(LocalResponse),
    Abort,
    Fail(String),
}

impl<'a, F: Filter> Passage<'a, F> {
    pub(super) fn new(tested: &'a Tested<F>, number: u32, exchange: Exchange) -> Self {
        let live = Live {
            number,
            connection: connection(&exchange.connection),
            line: exchange.request.start.clone(),
            request: Head(exchange.request.fields.clone()),
            status: None,
            response: Head::default(),
            request_trailers: exchange.request.trailers.clone().map(Head),
            response_trailers: None,
            open: Vec::new(),
            in_head: None,
            asked: [tested.subscription.request_body, tested.subscription.response_body],
            modes: [tested.subscription.request_body, tested.subscription.response_body],
            upstreams: exchange.calls.iter().map(|(name, answer)| (name.clone(), outcome(answer))).collect(),
            calls_started: 0,
            ended_calls: VecDeque::new(),
            waiting_chunk: None,
            tags: BTreeMap::new(),
            others_tags: exchange.tags.clone(),
            secrets: exchange.secrets.clone(),
        };
        Self { tested, number, live: Some(live), exchange, reason: None }
    }

    pub(super) fn run(self) -> Outcome {
        self.run_and(|_, _, _| ())
    }

    /// `over` comes before `done`.
    pub(super) fn run_and(mut self, over: impl FnOnce(&crate::guest::Guest<F>, u32, DoneReason)) -> Outcome {
        let mut forwarded = None;
        let (verdict, received, done) = match self.pass(&mut forwarded) {
            Ok(Some(response)) => (Verdict::Pass, Some(response), DoneReason::Complete),
            Ok(None) => (Verdict::Pass, None, DoneReason::UpstreamGone),
            Err(End::Respond(response)) => (Verdict::Respond, Some(local(response)), DoneReason::FilterAnswered),
            Err(End::Abort) => (Verdict::Abort, None, DoneReason::FilterAnswered),
            Err(End::Fail(reason)) => {
                self.reason = Some(reason);
                (Verdict::Fail, None, DoneReason::FilterFailed)
            }
        };
        self.hook(&[], None, |guest, number| {
            over(guest, number, done);
            guest.done(number, done);
        });
        Outcome { verdict, reason: self.reason, forwarded, received, ..Outcome::invalid(Vec::new()) }
    }

    /// Request there, response back. `forwarded` is set as soon as the request is on its way.
    fn pass(
        &mut self,
        forwarded: &mut Option<Message<weir_golden::RequestLine>>,
    ) -> Result<Option<Message<Status>>, End> {
        let request = self.exchange.request.clone();
        let body = self.message(Direction::Request, request.body, request.trailers.is_some())?;
        let live = self.live();
        *forwarded = Some(Message {
            start: live.line.clone(),
            fields: live.filled(),
            body,
            trailers: live.request_trailers.clone().map(|head| head.0),
        });
        let response = match self.exchange.upstream.clone() {
            Upstream::Response(response) => response,
            Upstream::Error(name) => return self.upstream_error(&name).map(|()| None),
        };
        let live = self.live();
        live.status = Some(response.start.0);
        live.response = Head(response.fields);
        live.response_trailers = response.trailers.clone().map(Head);
        let body = self.message(Direction::Response, response.body, response.trailers.is_some())?;
        let live = self.live();
        Ok(Some(Message {
            start: Status(live.status.unwrap_or_default()),
            fields: live.response.0.clone(),
            body,
            trailers: live.response_trailers.clone().map(|head| head.0),
        }))
    }

    /// Head, body and trailers of one direction; the body comes back as it travels on.
    fn message(&mut self, direction: Direction, body: Vec<Vec<u8>>, trailers: bool) -> Result<Vec<Vec<u8>>, End> {
        let subscription = self.tested.subscription;
        let (head, tail, part, trailer_part) = match direction {
            Direction::Request => {
                (subscription.request_head, subscription.request_trailers, Part::Request, Part::RequestTrailers)
            }
            Direction::Response => {
                (subscription.response_head, subscription.response_trailers, Part::Response, Part::ResponseTrailers)
            }
        };
        let hooks = match direction {
            Direction::Request => [Hook::RequestHead, Hook::RequestTrailers],
            Direction::Response => [Hook::ResponseHead, Hook::ResponseTrailers],
        };
        let is_empty = body.is_empty() && !trailers;
        let mut held = false;
        if head {
            let action = self.hook(&[part], Some(direction), |guest, number| match direction {
                Direction::Request => guest.request_head(number, is_empty),
                Direction::Response => guest.response_head(number, is_empty),
            });
            match self.settled(hooks[0], action.into(), &[part], None)? {
                Resumption::HoldForBody => held = !is_empty,
                Resumption::Respond(response) => return Err(respond(response)),
                Resumption::Replace(_) | Resumption::Drop => return Err(no_chunk()),
                _ => {}
            }
        }
        let open = if held { &[part][..] } else { &[] };
        let out = if is_empty { body } else { self.body(direction, body, open)? };
        if trailers && tail {
            let mut open = open.to_vec();
            open.push(trailer_part);
            let action = self.hook(&open, None, |guest, number| guest.trailers(number, direction));
            match self.settled(hooks[1], action.into(), &open, None)? {
                Resumption::Respond(response) if direction == Direction::Request || held => {
                    return Err(respond(response));
                }
                // The response's head is at the client already.
                Resumption::Respond(_) => return Err(End::Abort),
                Resumption::Replace(_) | Resumption::Drop | Resumption::HoldForBody => return Err(no_chunk()),
                _ => {}
            }
        }
        Ok(out)
    }

    fn body(&mut self, direction: Direction, body: Vec<Vec<u8>>, open: &[Part]) -> Result<Vec<Vec<u8>>, End> {
        let mode = self.live().modes[direction as usize];
        let chunks = match mode {
            BodyMode::None => return Ok(body),
            BodyMode::Observe | BodyMode::Transform => {
                // The agent knows that a body ends when it has ended: the end comes alone.
                let mut chunks: Vec<_> = body.into_iter().filter(|chunk| !chunk.is_empty()).collect();
                chunks.push(Vec::new());
                chunks
            }
            BodyMode::Buffer => {
                let whole = body.concat();
                if whole.len() > self.tested.subscription.max_buffer as usize {
                    return Err(End::Fail("the body is longer than max-buffer".to_owned()));
                }
                vec![whole]
            }
        };
        let hook = match direction {
            Direction::Request => Hook::RequestBody,
            Direction::Response => Hook::ResponseBody,
        };
        let last = chunks.len() - 1;
        let mut out = Vec::with_capacity(chunks.len());
        for (index, bytes) in chunks.into_iter().enumerate() {
            let chunk = Chunk { bytes: bytes.clone(), end_of_stream: index == last };
            let action = self.hook(open, None, |guest, number| guest.body(number, direction, chunk));
            match self.settled(hook, action.into(), open, Some(&bytes))? {
                Resumption::Replace(_) | Resumption::Drop if mode == BodyMode::Observe => {
                    return Err(End::Fail("a filter that observes may not change the body".to_owned()));
                }
                Resumption::Replace(bytes) => out.push(bytes),
                Resumption::Drop => {}
                Resumption::Respond(response) if direction == Direction::Request || !open.is_empty() => {
                    return Err(respond(response));
                }
                // The response's head is at the client already.
                Resumption::Respond(_) => return Err(End::Abort),
                Resumption::HoldForBody => return Err(End::Fail("there is no head to hold".to_owned())),
                _ if bytes.is_empty() => {}
                _ => out.push(bytes),
            }
        }
        Ok(out)
    }

    fn upstream_error(&mut self, name: &str) -> Result<(), End> {
        let error = upstream_error(name);
        match self.hook(&[], None, |guest, number| guest.upstream_error(number, error)) {
            Action::Next => Ok(()),
            Action::HoldForBody => Err(End::Fail("there is no body to hold for".to_owned())),
            Action::Respond(response) => Err(respond(response)),
            Action::Abort => Err(End::Abort),
            Action::Wait => Err(End::Fail("it cannot wait here".to_owned())),
        }
    }

    /// What a hook comes to in the end: as long as it waits, it is resumed with what has ended.
    fn settled(
        &mut self,
        waiting: Hook,
        first: Resumption,
        open: &[Part],
        chunk: Option<&[u8]>,
    ) -> Result<Resumption, End> {
        let in_head = match waiting {
            Hook::RequestHead => Some(Direction::Request),
            Hook::ResponseHead => Some(Direction::Response),
            _ => None,
        };
        let mut decided = first;
        loop {
            match decided {
                Resumption::Abort => return Err(End::Abort),
                Resumption::Wait => {
                    let Some((call, outcome)) = self.live().ended_calls.pop_front() else {
                        return Err(End::Fail("it waits, but has started nothing to wait for".to_owned()));
                    };
                    self.live().waiting_chunk = chunk.map(<[u8]>::to_vec);
                    decided = self.hook(open, in_head, |guest, number| guest.resumed(number, waiting, call, outcome));
                    self.live().waiting_chunk = None;
                }
                other => return Ok(other),
            }
        }
    }

    fn hook<R>(
        &mut self,
        open: &[Part],
        in_head: Option<Direction>,
        hook: impl FnOnce(&crate::guest::Guest<F>, u32) -> R,
    ) -> R {
        let live = self.live();
        live.open = open.to_vec();
        live.in_head = in_head;
        let (guest, number) = (&self.tested.guest, self.number);
        live::during(&mut self.live, || hook(guest, number))
    }

    fn live(&mut self) -> &mut Live {
        self.live.as_mut().expect("only a running hook has it")
    }
}

fn no_chunk() -> End {
    End::Fail("there is no chunk to replace or drop".to_owned())
}

fn outcome(answer: &Upstream) -> CallOutcome {
    match answer {
        Upstream::Error(name) => CallOutcome::Failed(upstream_error(name)),
        Upstream::Response(response) => CallOutcome::Response(CallResponse {
            status: response.start.0,
            headers: response.fields.clone(),
            body: response.joined(),
        }),
    }
}

fn upstream_error(name: &str) -> UpstreamError {
    match name {
        "refused" => UpstreamError::Refused,
        "reset" => UpstreamError::Reset,
        "timeout" => UpstreamError::Timeout,
        "dns" => UpstreamError::Dns,
        "protocol" => UpstreamError::Protocol,
        "too-large" => UpstreamError::TooLarge,
        tls => UpstreamError::Tls(tls.strip_prefix("tls ").unwrap_or(tls).to_owned()),
    }
}

fn respond(response: LocalResponse) -> End {
    match response.status {
        200..=599 => End::Respond(response),
        status => End::Fail(format!("{status} is no status of a local response")),
    }
}

fn local(response: LocalResponse) -> Message<Status> {
    let fields = response.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let body = if response.body.is_empty() { Vec::new() } else { vec![response.body] };
    Message { start: Status(response.status), fields, body, trailers: None }
}

fn connection(connection: &weir_golden::Connection) -> Connection {
    Connection {
        entry: entry(&connection.entry),
        client_address: connection.client_address.clone(),
        user: connection.user.clone(),
        tunnel_target: connection.tunnel_target.clone(),
        server_name: connection.server_name.clone(),
        intercepted: connection.intercepted,
    }
}

pub(super) fn entry(name: &str) -> Entry {
    match name {
        "connect" => Entry::Connect,
        "socks5" => Entry::Socks5,
        "transparent" => Entry::Transparent,
        "reverse" => Entry::Reverse,
        _ => Entry::Forward,
    }
}
