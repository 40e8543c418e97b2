//! The way up. Enters: a request as the client sent it; leaves: the request that the upstream gets, once the filters have
//! had it, and where it goes. Must not know how the response comes.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{EXPECT, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Uri, Version, request};
use weir_artifact::FailurePolicy;
use weir_host::{BodyMode, Connection, Direction, Exchange, Filter, Progress, Run};

use super::body::BodyStream;
use super::expect::Gate;
use super::hop_by_hop::{Asked, add_via, connection_options, is_final_recipient, strip_request};
use super::live::{Live, Stop};
use super::pause;
use super::problem::Problem;
use super::reply::final_recipient;
use super::response::set_length;
use super::websocket;
use crate::target::{Target, TargetError};
use crate::upstream::Outgoing;

/// Takes a request through the filters. It comes out ready for [`crate::upstream::Upstreams::send`].
pub(super) async fn prepare(
    live: &Rc<Live>,
    connection: &Arc<Connection>,
    target: &mut Target,
    mut head: request::Parts,
    mut body: BodyStream,
) -> Result<Request<Outgoing>, Stop> {
    let worker = &live.worker;
    let asked = strip_request(&mut head, &worker.shared.via).map_err(Problem::from)?;
    if is_final_recipient(&mut head).map_err(Problem::from)? {
        return Err(Stop::Reply(final_recipient(&head)));
    }
    let mut was_held = false;
    if worker.shared.interception.is_armed() {
        // apart, so that exchanges that meet no breakpoint are no larger for it
        was_held = Box::pin(pause::at_request(live, connection, target, &mut head, &mut body)).await?;
    }
    match enter(live, connection, &mut head) {
        Some(run) => {
            let held;
            (head, held) = through_filters(live, run, target, &mut body).await?;
            was_held |= held;
            if asked.upgrade {
                websocket::offer_no_extension(live, &mut head.headers);
            }
        }
        None if live.was_edited() => live.record(|ledger| ledger.changed_request(&head)),
        None => {}
    }
    Ok(outgoing(live, head, body, asked, was_held))
}

/// Begins the run, if any filter meets this exchange. Filters stay those that were active now, until the exchange ends.
fn enter(live: &Live, connection: &Arc<Connection>, head: &mut request::Parts) -> Option<Run> {
    let snapshot = live.worker.shared.active.load();
    let filters = snapshot.chain.filters().iter().map(|filter| &**filter);
    let policy = |filter| snapshot.policy(filter, head, connection).map(|policy| (filter, policy));
    let chosen: Vec<(&Filter, FailurePolicy)> = filters.filter_map(policy).collect();
    if chosen.is_empty() {
        return None;
    }
    live.set_rewrites_responses(
        chosen.iter().any(|(filter, _)| filter.subscription().response_body >= BodyMode::Transform),
    );
    let head = std::mem::replace(head, Request::new(()).into_parts().0);
    let exchange = Exchange::new(live.id, Arc::clone(connection), head);
    let policy = |filter: &Filter| {
        let mut chosen = chosen.iter();
        chosen.find(|(chosen, _)| std::ptr::eq(*chosen, filter)).map(|(_, policy)| *policy)
    };
    Some(Run::begin_under(&live.worker.instances, &snapshot.chain, exchange, policy))
}

/// The request side of the chain. The head comes out, and whether some of the body was read before it.
async fn through_filters(
    live: &Live,
    mut run: Run,
    target: &mut Target,
    body: &mut BodyStream,
) -> Result<(request::Parts, bool), Stop> {
    let before = run.exchange().request.uri.clone();
    let extensions = std::mem::take(&mut run.exchange_mut().request.extensions);
    let mut progress = run.request_head(body.is_done());
    live.enter(run);
    let mut was_held = false;
    loop {
        match progress {
            Progress::Answer(answer) => return Err(answer.into()),
            Progress::Open => break,
            Progress::Waiting => {
                progress = live.resumed(Direction::Request).await;
                continue;
            }
            Progress::Held => progress = body.feed_or_resume().await?,
        }
        was_held = true;
    }
    let head = live.with_run(|run| {
        let exchange = run.exchange();
        if exchange.original_method.is_some() || live.was_edited() {
            live.record(|ledger| ledger.changed_request(&exchange.request));
        }
        // filters may still read the request in later hooks, so theirs stays
        let mut head = exchange.request.clone();
        head.extensions = extensions;
        let placeholders = exchange.placeholders.clone();
        if !body.is_done() || was_held || run.sees_body(Direction::Request) {
            body.head_is_open(run);
            set_length(&mut head.headers, run.length(Direction::Request));
        }
        (head, placeholders)
    });
    let (mut head, placeholders) = head.ok_or_else(|| Problem::agent("the filters of this exchange are gone"))?;
    redirect(target, &before, &head.uri).map_err(|error| Problem::redirected(&error))?;
    // the record has what filters see
    let secrets = &live.worker.shared.secrets;
    let filled = secrets.fill(&mut head.headers, &placeholders, (&head.method, &head.uri), target);
    filled.map_err(|misuse| Problem::misused(&misuse))?;
    Ok((head, was_held))
}

/// Where it goes now. Whether it may is judged when it is dialled, as for any other target.
pub(super) fn redirect(target: &mut Target, before: &Uri, after: &Uri) -> Result<(), TargetError> {
    let redirected = Target::from_uri(after)?;
    if after.authority() != before.authority() {
        *target = redirected;
    } else if after.scheme() != before.scheme() {
        // inside a tunnel `Host` does not say where it goes, and turning to TLS does not make it so
        let port = if after.port_u16().is_some() { target.port } else { redirected.port };
        *target = Target::new(redirected.scheme, target.host.clone(), port);
    }
    Ok(())
}

/// What the upstream gets: fields of this hop, and a body that is read as the upstream takes it.
fn outgoing(
    live: &Rc<Live>,
    mut head: request::Parts,
    mut body: BodyStream,
    asked: Asked,
    was_held: bool,
) -> Request<Outgoing> {
    let received = head.version;
    if received == Version::HTTP_10 {
        head.version = Version::HTTP_11;
    }
    add_via(&mut head.headers, &live.worker.shared.via, received);
    connection_options(&mut head.headers, head.version);
    if body.is_done() {
        // RFC 9110 section 10.1.1: nothing follows, so nothing is to be waited for
        head.headers.remove(EXPECT);
        return Request::from_parts(head, Outgoing::Empty);
    }
    frame(&head.method, &mut head.headers, &body);
    // A body that was read already was asked for already. Over HTTP/2 hyper sends no 100, and clients do not wait for it.
    let waits = asked.expect_continue && !was_held && received == Version::HTTP_11;
    if !waits {
        head.headers.remove(EXPECT);
        return Request::from_parts(head, Outgoing::stream(body));
    }
    let gate = Gate::new();
    let mut request = Request::from_parts(head, ());
    gate.listen(&mut request);
    live.waits_for(gate.leave());
    body.behind(gate);
    request.map(|()| Outgoing::stream(body))
}

/// hyper sends no body with GET or HEAD unless it is told how long it is, or to cut it into chunks.
fn frame(method: &Method, headers: &mut HeaderMap, body: &BodyStream) {
    if body.len().is_none() && matches!(*method, Method::GET | Method::HEAD) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
