//! One exchange's passage through one filter: the agent's part, hook by hook.

use weir_golden::{Message, Outcome, Status, Upstream, Verdict};

use super::{
    Exchange, Tested,
    live::{self, Head, Live},
};
use crate::{
    Action, BodyMode, Chunk, ChunkAction, Connection, DoneReason, Entry, Filter, LocalResponse, TrailersAction,
    UpstreamError, exchange::Direction, headers::Part,
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
        };
        Self { tested, number, live: Some(live), exchange, reason: None }
    }

    pub(super) fn run(mut self) -> Outcome {
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
        self.hook(&[], None, |guest, number| guest.done(number, done));
        Outcome { verdict, reason: self.reason, forwarded, received, problems: Vec::new() }
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
            fields: live.request.0.clone(),
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
        let is_empty = body.is_empty() && !trailers;
        let mut held = false;
        if head {
            let action = self.hook(&[part], Some(direction), |guest, number| match direction {
                Direction::Request => guest.request_head(number, is_empty),
                Direction::Response => guest.response_head(number, is_empty),
            });
            match action {
                Action::Next => {}
                Action::HoldForBody => held = !is_empty,
                Action::Respond(response) => return Err(respond(response)),
                Action::Abort => return Err(End::Abort),
            }
        }
        let open = if held { &[part][..] } else { &[] };
        let out = if is_empty { body } else { self.body(direction, body, open)? };
        if trailers && tail {
            let mut open = open.to_vec();
            open.push(trailer_part);
            let action = self.hook(&open, None, |guest, number| guest.trailers(number, direction));
            match action {
                TrailersAction::Next => {}
                TrailersAction::Respond(response) if direction == Direction::Request || held => {
                    return Err(respond(response));
                }
                // The response's head is at the client already.
                TrailersAction::Respond(_) | TrailersAction::Abort => return Err(End::Abort),
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
        let last = chunks.len() - 1;
        let mut out = Vec::with_capacity(chunks.len());
        for (index, bytes) in chunks.into_iter().enumerate() {
            let chunk = Chunk { bytes: bytes.clone(), end_of_stream: index == last };
            let action = self.hook(open, None, |guest, number| guest.body(number, direction, chunk));
            match action {
                ChunkAction::Pass if bytes.is_empty() => {}
                ChunkAction::Pass => out.push(bytes),
                ChunkAction::Replace(_) | ChunkAction::Drop if mode == BodyMode::Observe => {
                    return Err(End::Fail("a filter that observes may not change the body".to_owned()));
                }
                ChunkAction::Replace(bytes) => out.push(bytes),
                ChunkAction::Drop => {}
                ChunkAction::Respond(response) if direction == Direction::Request || !open.is_empty() => {
                    return Err(respond(response));
                }
                // The response's head is at the client already.
                ChunkAction::Respond(_) | ChunkAction::Abort => return Err(End::Abort),
            }
        }
        Ok(out)
    }

    fn upstream_error(&mut self, name: &str) -> Result<(), End> {
        let error = match name {
            "refused" => UpstreamError::Refused,
            "reset" => UpstreamError::Reset,
            "timeout" => UpstreamError::Timeout,
            "dns" => UpstreamError::Dns,
            "protocol" => UpstreamError::Protocol,
            "too-large" => UpstreamError::TooLarge,
            tls => UpstreamError::Tls(tls.strip_prefix("tls ").unwrap_or(tls).to_owned()),
        };
        match self.hook(&[], None, |guest, number| guest.upstream_error(number, error)) {
            Action::Next => Ok(()),
            Action::HoldForBody => Err(End::Fail("there is no body to hold for".to_owned())),
            Action::Respond(response) => Err(respond(response)),
            Action::Abort => Err(End::Abort),
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
        entry: match connection.entry.as_str() {
            "connect" => Entry::Connect,
            "socks5" => Entry::Socks5,
            "transparent" => Entry::Transparent,
            "reverse" => Entry::Reverse,
            _ => Entry::Forward,
        },
        client_address: connection.client_address.clone(),
        user: connection.user.clone(),
        tunnel_target: connection.tunnel_target.clone(),
        server_name: connection.server_name.clone(),
        intercepted: connection.intercepted,
    }
}
