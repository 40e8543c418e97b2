//! One exchange's passage through a guest: the request's hook, what comes of it, and the response's.

use std::{future::poll_fn, sync::Arc};

use http::{HeaderMap, Request, Response, header::CONTENT_LENGTH};
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Accessor, FutureReader, StreamReader};
use wasmtime_wasi_http::WasiBody;

use super::{
    Begun, Guest, NUMBER,
    arrived::{Arrived, End, Held, Told},
    departing::{Content, Departing, Lines, Tail, Taking, TakingLines},
    duct::duct,
};
use crate::{
    BodyMode, Direction, Exchange, FailureKind, Filter, UpstreamError,
    bindings::{
        streaming::exports::weir::filter::streaming::{Action, Incoming, Outgoing, Reply, UpstreamError as GuestError},
        weir::filter::http::{LocalResponse, Part},
    },
    convert, imports,
    middleware::{Answered, Ending, InputBody, Tags, Wire},
    state::{Hook, State},
};

const ON_REQUEST: &str = "on-request";
const ON_RESPONSE: &str = "on-response";
const ON_ERROR: &str = "on-upstream-error";

type Failed = wasmtime::Result<()>;

/// What the guest begins with.
pub(super) enum Begin {
    Request(Begun),
    /// Its response, of a request that it did not want to see.
    Response(Box<Exchange>, Answered),
}

/// What is done without a guest. None: it wants to see nothing, and all is done.
pub(super) async fn before(filter: &Filter, wire: &Arc<Wire>, begun: Begun) -> Option<Begin> {
    let asked = filter.subscription();
    if asked.request_head {
        return Some(Begin::Request(begun));
    }
    let Begun { exchange, body } = begun;
    if wire.may_call() {
        wire.call(request(&exchange, body.boxed_unsync(), true));
    }
    let answered = poll_fn(|cx| wire.poll_answer(cx)).await;
    if asked.response_head {
        return Some(Begin::Response(exchange, answered));
    }
    pass_on(wire, answered);
    None
}

/// The response goes back as it came.
fn pass_on(wire: &Arc<Wire>, answered: Answered) {
    wire.respond(match answered {
        Ok(response) => Ok(response.map(|()| InputBody::new(wire, Direction::Response).boxed_unsync())),
        Err(_) => Err(passed_on()),
    });
}

/// A guest and its exchange.
pub(super) struct Passage<'a> {
    accessor: &'a Accessor<State>,
    guest: &'a Guest,
    filter: &'a Arc<Filter>,
    wire: &'a Arc<Wire>,
    /// Lives in every body that the guest has still something to give of.
    made: mpsc::Sender<()>,
    all_gone: mpsc::Receiver<()>,
}

/// A body as it came, for a hook.
struct Offered {
    held: Held,
    told: Told,
}

impl<'a> Passage<'a> {
    pub(super) fn new(
        accessor: &'a Accessor<State>,
        guest: &'a Guest,
        filter: &'a Arc<Filter>,
        wire: &'a Arc<Wire>,
    ) -> Self {
        let (made, all_gone) = mpsc::channel(1);
        Self { accessor, guest, filter, wire, made, all_gone }
    }

    /// The whole of it. When this comes back, the guest has nothing more to give.
    pub(super) async fn through(self, begin: Begin) -> Failed {
        let answered = match begin {
            Begin::Request(Begun { exchange, body }) => {
                self.lend(exchange);
                if self.request(body).await? { Some(poll_fn(|cx| self.wire.poll_answer(cx)).await) } else { None }
            }
            Begin::Response(exchange, answered) => {
                self.lend(exchange);
                self.freeze(Part::Request);
                Some(answered)
            }
        };
        match answered {
            None => {}
            Some(answered) if !self.filter.subscription().response_head => pass_on(self.wire, answered),
            Some(Ok(response)) => self.response(response).await?,
            Some(Err(error)) => self.upstream_error(&error).await?,
        }
        let Self { made, mut all_gone, .. } = self;
        drop(made);
        // nobody sends: it ends when the last body is gone
        all_gone.recv().await;
        Ok(())
    }

    fn lend(&self, exchange: Box<Exchange>) {
        self.accessor.with(|mut store| {
            let state = store.data_mut();
            (state.lent, state.number, state.hook) = (Some(exchange), NUMBER, Hook::Streaming);
        });
    }

    fn freeze(&self, part: Part) {
        self.accessor.with(|mut store| {
            let state = store.data_mut();
            state.frozen = state.frozen.with(part);
        });
    }

    /// True: the request goes on.
    async fn request(&self, body: InputBody) -> wasmtime::Result<bool> {
        self.wire.enter(ON_REQUEST);
        let (offered, incoming) = self.offer(Direction::Request, body)?;
        let action = self.guest.weir_filter_streaming().call_on_request(self.accessor, NUMBER, incoming).await?;
        self.freeze(Part::Request);
        match action {
            Action::Next(given) => {
                let (body, is_whole) = self.depart(Direction::Request, &offered, given)?;
                self.call(body, is_whole);
                return Ok(true);
            }
            Action::Respond(reply) => self.reply(reply)?,
            Action::Abort => self.wire.respond(Err(Ending::Abort)),
        }
        Ok(false)
    }

    fn call(&self, body: WasiBody, is_whole: bool) {
        let request = self.accessor.with(|mut store| {
            let exchange = store.data_mut().lent.as_deref();
            exchange.map(|exchange| request(exchange, body, is_whole))
        });
        if let Some(request) = request.filter(|_| self.wire.may_call()) {
            self.wire.call(request);
        }
    }

    async fn response(&self, response: Response<()>) -> Failed {
        self.wire.enter(ON_RESPONSE);
        self.accessor.with(|mut store| {
            let Some(exchange) = store.data_mut().lent.as_deref_mut() else { return };
            let (mut head, ()) = response.into_parts();
            if let Some(Tags(tags)) = head.extensions.remove() {
                exchange.tags = tags;
            }
            exchange.response = Some(head);
        });
        let (offered, incoming) = self.offer(Direction::Response, InputBody::new(self.wire, Direction::Response))?;
        let action = self.guest.weir_filter_streaming().call_on_response(self.accessor, NUMBER, incoming).await?;
        self.freeze(Part::Response);
        match action {
            Action::Next(given) => {
                let (body, is_whole) = self.depart(Direction::Response, &offered, given)?;
                let head = self.accessor.with(|mut store| {
                    let exchange = store.data_mut().lent.as_deref();
                    exchange.and_then(|exchange| exchange.response.clone())
                });
                let mut response = Response::new(body);
                if let Some(head) = head {
                    *response.status_mut() = head.status;
                    *response.headers_mut() = fields(&head.headers, is_whole);
                }
                self.wire.respond(Ok(response));
            }
            Action::Respond(reply) => self.reply(reply)?,
            Action::Abort => self.wire.respond(Err(Ending::Abort)),
        }
        Ok(())
    }

    async fn upstream_error(&self, error: &UpstreamError) -> Failed {
        self.wire.enter(ON_ERROR);
        let hooks = self.guest.weir_filter_streaming();
        match hooks.call_on_upstream_error(self.accessor, NUMBER, guest_error(error)).await? {
            Action::Next(_) => self.wire.respond(Err(passed_on())),
            Action::Respond(reply) => self.reply(reply)?,
            Action::Abort => self.wire.respond(Err(Ending::Abort)),
        }
        Ok(())
    }

    /// The body, for the hook of its direction: as a stream, if the guest asked for it and there is one.
    fn offer(&self, direction: Direction, body: InputBody) -> wasmtime::Result<(Offered, Option<Incoming>)> {
        let (arrived, told) = Arrived::new(body, direction);
        let mode = self.filter.subscription().body(direction);
        let is_shown = mode != BodyMode::None && !self.wire.is_at_end(direction);
        let offered = Offered { held: Held::new(arrived), told };
        if !is_shown {
            return Ok((offered, None));
        }
        let ends = offered.told.clone();
        let trailers = async move {
            let lines: Lines = match ends.await {
                End::Whole(trailers) => Ok(trailers.as_ref().map(imports::lines)),
                End::Broken | End::Unread => Err(()),
            };
            wasmtime::Result::<Lines>::Ok(lines)
        };
        let incoming = self.accessor.with(|mut store| -> wasmtime::Result<Incoming> {
            let content = StreamReader::new(&mut store, offered.held.clone())?;
            let trailers = FutureReader::new(&mut store, trailers)?;
            Ok(Incoming { content, trailers })
        })?;
        Ok((offered, Some(incoming)))
    }

    /// The body that goes on, and whether it is the one that came, untouched.
    fn depart(
        &self,
        direction: Direction,
        offered: &Offered,
        given: Option<Outgoing>,
    ) -> wasmtime::Result<(WasiBody, bool)> {
        let as_it_came = Tail::AsItCame(offered.told.clone());
        let (content, tail, is_made) = match given {
            None => (offered.held.take().map_or(Content::Nothing, Content::Arrived), as_it_came, false),
            Some(given) => self.outgoing(given, as_it_came)?,
        };
        let is_whole = matches!(&content, Content::Arrived(arrived) if arrived.is_whole(direction));
        Ok((self.body(content, tail, is_made), is_whole))
    }

    /// What goes on, how it ends, and whether the guest makes any of it.
    fn outgoing(&self, given: Outgoing, otherwise: Tail) -> wasmtime::Result<(Content, Tail, bool)> {
        let Outgoing { content, trailers } = given;
        self.accessor.with(|mut store| {
            let content = match content.try_into::<Held>(&mut store) {
                // one that somebody took is at its end
                Ok(held) => held.take().map_or(Content::Nothing, Content::Arrived),
                Err(own) => {
                    let (writer, reader) = duct();
                    own.pipe(&mut store, Taking(writer))?;
                    Content::Made(reader)
                }
            };
            let tail = match trailers {
                None => otherwise,
                Some(own) => {
                    let (tell, told) = oneshot::channel();
                    own.pipe(&mut store, TakingLines(Some(tell)))?;
                    Tail::Made(told)
                }
            };
            let is_made = matches!(content, Content::Made(_)) || matches!(tail, Tail::Made(_));
            Ok((content, tail, is_made))
        })
    }

    fn body(&self, content: Content, tail: Tail, is_made: bool) -> WasiBody {
        let made = is_made.then(|| self.made.clone());
        let (filter, wire) = (Arc::clone(self.filter), Arc::clone(self.wire));
        Departing { content, tail, filter, wire, _made: made }.boxed_unsync()
    }

    /// An answer of its own.
    fn reply(&self, reply: Reply) -> Failed {
        let Reply { status, headers, body } = reply;
        let body = match body {
            None => self.body(Content::Nothing, Tail::Nothing, false),
            Some(given) => {
                let (content, tail, is_made) = self.outgoing(given, Tail::Nothing)?;
                self.body(content, tail, is_made)
            }
        };
        match convert::local_response(LocalResponse { status, headers, body: Vec::new() }) {
            Ok(local) => {
                let mut response = Response::new(body);
                (*response.status_mut(), *response.headers_mut()) = (local.status, local.headers);
                self.wire.respond(Ok(response));
            }
            Err(reason) => self.wire.fail(self.filter.failure(self.wire.phase(), FailureKind::Contract, reason)),
        }
        Ok(())
    }
}

/// The request as the guest left it.
fn request(exchange: &Exchange, body: WasiBody, is_whole: bool) -> Request<WasiBody> {
    let head = &exchange.request;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = fields(&head.headers, is_whole);
    request
}

/// What was said of the content's length holds only for the content that came.
fn fields(headers: &HeaderMap, is_whole: bool) -> HeaderMap {
    let mut fields = headers.clone();
    if !is_whole {
        fields.remove(CONTENT_LENGTH);
    }
    fields
}

/// That no response came goes on to whoever is in front.
fn passed_on() -> Ending {
    Ending::Error("that it was given".to_owned())
}

fn guest_error(error: &UpstreamError) -> GuestError {
    match error {
        UpstreamError::Refused => GuestError::Refused,
        UpstreamError::Reset => GuestError::Reset,
        UpstreamError::Timeout => GuestError::Timeout,
        UpstreamError::Dns => GuestError::Dns,
        UpstreamError::Tls(reason) => GuestError::Tls(reason.clone()),
        UpstreamError::Protocol => GuestError::Protocol,
        UpstreamError::TooLarge => GuestError::TooLarge,
    }
}
