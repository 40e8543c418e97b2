//! What a guest hands on, as the chain takes it: heads, then bodies.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body as _;

use super::{
    Fed, Head, Made, Part, Pull, Stage,
    heads::{self, Said},
};
use crate::{Direction, Exchange, FailureKind, Filter, middleware::Ending};

impl Part {
    /// Has the guest handed the head of this direction on? Puts it into the exchange.
    pub(super) fn head(&mut self, filter: &Filter, exchange: &mut Exchange, direction: Direction, fed: Fed) -> Head {
        if self.responds {
            return self.hand_on(exchange, direction, fed);
        }
        if self.side(direction).head.is_none() {
            match self.take_head(filter, exchange, direction) {
                Ok(true) => {}
                Ok(false) => return self.wire.failure().map_or(Head::Nothing, Head::Failed),
                Err(head) => return *head,
            }
        }
        // A body that was none is mostly none again: what is not known at once is waited for.
        if fed.bodyless && !fed.has_no_content && self.side(direction).first.is_none() {
            match self.pull(filter, direction) {
                Pull::Nothing => return Head::Nothing,
                Pull::Broken(failure) => return Head::Failed(failure),
                Pull::Aborts => return Head::Aborts,
                first => self.side(direction).first = Some(first),
            }
        }
        self.hand_on(exchange, direction, fed)
    }

    fn take_head(&mut self, filter: &Filter, exchange: &Exchange, direction: Direction) -> Result<bool, Box<Head>> {
        let phase = self.wire.phase();
        let contract = |reason: String| Box::new(Head::Failed(filter.failure(phase, FailureKind::Contract, reason)));
        if direction == Direction::Request {
            if let Some(request) = self.wire.request() {
                let (parts, body) = request.into_parts();
                let side = self.side(direction);
                let (made, declared) = heads::requested(parts, exchange, &side.kept).map_err(contract)?;
                (side.head, side.body, side.declared) = (Some(Made::Request(Box::new(made))), Some(body), declared);
                return Ok(true);
            }
            if !self.wire.has_response() {
                return Ok(false);
            }
        }
        match self.wire.response() {
            None => Ok(false),
            Some(Err(Ending::Abort)) => Err(Box::new(Head::Aborts)),
            Some(Err(Ending::Error(code))) => {
                let reason = format!("it gave the error {code}");
                Err(Box::new(Head::Failed(filter.failure(phase, FailureKind::GaveError, reason))))
            }
            Some(Ok(response)) => {
                let (parts, body) = response.into_parts();
                let side = self.side(Direction::Response);
                let before = exchange.response.as_ref().filter(|_| direction == Direction::Response);
                let (made, declared) = heads::responded(parts, before, &side.kept).map_err(contract)?;
                (side.body, side.declared) = (Some(body), declared);
                if direction == Direction::Request {
                    return Err(Box::new(Head::Responds(Box::new(made))));
                }
                side.head = Some(Made::Response(Box::new(made)));
                Ok(true)
            }
        }
    }

    /// A response of its own, before what comes after it has given one.
    pub(super) fn early_response(&mut self, filter: &Filter, exchange: &Exchange) -> Head {
        let taken = self.take_head(filter, exchange, Direction::Request);
        // nobody waits for it, but for what comes after it
        self.wire.asks_nothing(Direction::Request);
        match taken {
            Ok(_) => self.wire.failure().map_or(Head::Nothing, Head::Failed),
            Err(head) => *head,
        }
    }

    fn hand_on(&mut self, exchange: &mut Exchange, direction: Direction, fed: Fed) -> Head {
        let side = self.side(direction);
        let bodyless = match &side.first {
            Some(first) => matches!(first, Pull::End(None)),
            None => side.body.as_ref().is_none_or(|body| body.is_end_stream()),
        };
        let bodyless = bodyless || fed.has_no_content;
        let said = Said { declared: side.declared.filter(|_| bodyless), keeps: !bodyless || fed.bodyless };
        let changed = match side.head.take() {
            Some(Made::Request(head)) => heads::replace_request(exchange, *head, said),
            Some(Made::Response(head)) => heads::replace_response(exchange, *head, said, fed.keeps_original),
            None => false,
        };
        side.stage = Stage::Out;
        if bodyless {
            side.first = None;
            self.ends(direction);
        }
        Head::Out { changed, bodyless }
    }

    /// What there is of the body that the guest hands on.
    pub(super) fn pull(&mut self, filter: &Filter, direction: Direction) -> Pull {
        if let Some(first) = self.side(direction).first.take() {
            return self.pulled(first, direction);
        }
        let wire = Arc::clone(&self.wire);
        let side = self.side(direction);
        let (Some(body), Some(waker)) = (&mut side.body, &side.waker) else { return Pull::Nothing };
        let mut cx = Context::from_waker(waker);
        let frame = loop {
            match wire.pulling(direction, || Pin::new(&mut *body).poll_frame(&mut cx)) {
                Poll::Pending => return Pull::Nothing,
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
                Poll::Ready(frame) => break frame,
            }
        };
        let pull = match frame {
            None => Pull::End(None),
            Some(Err(_)) if wire.aborts() => Pull::Aborts,
            Some(Err(error)) => Pull::Broken(wire.failure().unwrap_or_else(|| {
                filter.failure(wire.phase(), FailureKind::GaveError, format!("its body broke off: {error:?}"))
            })),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(chunk) => Pull::Chunk(chunk),
                Err(frame) => {
                    let made = frame.into_trailers().ok();
                    match made.map(|made| heads::trailers(made, wire.given_trailers())).transpose() {
                        Ok(trailers) => Pull::End(trailers),
                        Err(reason) => Pull::Broken(filter.failure(wire.phase(), FailureKind::Contract, reason)),
                    }
                }
            },
        };
        if let Pull::Chunk(chunk) = &pull
            && !wire.is_spliced(direction)
        {
            wire.copied_out(chunk.len());
        }
        if self.stage(direction) == Stage::Out { self.pulled(pull, direction) } else { pull }
    }

    fn pulled(&mut self, pull: Pull, direction: Direction) -> Pull {
        if matches!(pull, Pull::End(_) | Pull::Broken(_) | Pull::Aborts) {
            self.ends(direction);
        }
        pull
    }

    /// Nothing more of this direction is wanted of it.
    pub(super) fn ends(&mut self, direction: Direction) {
        self.wire.asks_nothing(direction);
        let side = self.side(direction);
        side.stage = Stage::Done;
        side.body = None;
        let request_is_over = self.is_done(Direction::Request) || self.is_idle(Direction::Request);
        if self.is_done(Direction::Response) && request_is_over {
            self.wire.close();
        }
    }
}
