//! WebSockets whose messages filters see (RFC 6455). Enters: the two ends of an upgraded connection; leaves: the bytes counted,
//! and why it ended. Messages are gathered, shown and sent on whole; pings, pongs and Closes pass as they come, between the
//! fragments too. Where no filter sees messages none of this runs, but for the taps that the record has.

mod frame;
mod inflate;
mod lane;
mod reader;
mod tap;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::UPGRADE;
use http::{HeaderMap, response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use weir_host::{Close, Direction, Failure, FailureKind};

use self::inflate::Deflate;
use self::lane::{Lane, Stop};
use self::tap::Tap;
use super::live::Live;
use super::problem::Problem;
use crate::io::Overheard;
use crate::record::{Messages, Outcome};
use crate::stats::Way;
use crate::tunnel::Relayed;

/// How long a peer that was told goodbye may take to say so too (RFC 6455 section 7.1.1).
const GOODBYE: Duration = Duration::from_secs(2);

/// What an upgraded connection speaks, as the upstream has said.
pub(super) struct Spoken {
    is_websocket: bool,
    has_extension: bool,
    /// how messages may be compressed
    deflate: Option<Deflate>,
}

impl Spoken {
    pub(super) fn of(head: &response::Parts) -> Self {
        let is_websocket = names_websocket(&head.headers);
        let mut extensions = head.headers.get_all(EXTENSIONS).iter();
        let has_extension = extensions.any(|value| !value.as_bytes().trim_ascii().is_empty());
        let mut values = head.headers.get_all(EXTENSIONS).iter();
        let deflate = match (values.next(), values.next()) {
            (Some(only), None) => only.to_str().ok().and_then(Deflate::parse),
            _ => None,
        };
        Spoken { is_websocket, has_extension, deflate }
    }
}

const EXTENSIONS: &str = "sec-websocket-extensions";

/// With a version or without (RFC 9110 section 7.8).
pub(crate) fn names_websocket(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(UPGRADE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut names = offers.filter_map(|offer| offer.split(|byte| *byte == b'/').next()).map(<[u8]>::trim_ascii);
    names.any(|name| name.eq_ignore_ascii_case(b"websocket"))
}

/// What filters are to read is not to be compressed, so nothing of the kind is offered to the upstream.
pub(super) fn offer_no_extension(live: &Live, request: &mut HeaderMap) {
    if live.with_run(|run| run.may_see_messages()).unwrap_or_default() {
        request.remove(EXTENSIONS);
    }
}

/// Asks the filters of the exchange whether they are to see messages. Whether one is.
pub(super) fn open(live: &Live, spoken: &Spoken) -> Result<bool, Problem> {
    let opened: Option<Result<bool, Failure>> = live.with_run(|run| {
        // who asked for one may go on as if it had one, whatever the upstream calls it
        let is_websocket = spoken.is_websocket || names_websocket(&run.exchange().request.headers);
        if !is_websocket || !run.may_see_messages() || !run.messages_open()? {
            return Ok(false);
        }
        if spoken.has_extension {
            run.messages_unreadable("the upstream agreed to an extension that was not offered (RFC 6455 section 4.1)")?;
        }
        Ok(run.sees_messages())
    });
    opened.unwrap_or(Ok(false)).map_err(|failure| Problem::from(&failure))
}

/// An end so that what it says is recorded, where it is and they speak WebSocket.
pub(super) fn tapped<S>(live: &Live, spoken: &Spoken, from: Direction, stream: S) -> Overheard<S, Hears> {
    let messages = spoken.is_websocket.then(|| live.messages()).flatten();
    let tap = messages.map(|messages| Tap::new(messages, from, spoken.deflate));
    Overheard::new(stream, tap.map(|mut tap| Box::new(move |bytes: &[u8]| tap.passed(bytes)) as Hears))
}

/// What is told of bytes that have passed.
pub(super) type Hears = Box<dyn FnMut(&[u8])>;

/// Until both directions have ended, one of them broke, a filter or a fault ended them, or nothing moved for too long.
pub(super) async fn relay<C, U>(live: &Live, client: &mut C, upstream: &mut U) -> [Relayed; 2]
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let stats = &live.worker.shared.stats;
    let limit = live.with_run(|run| run.longest_message()).unwrap_or_default();
    let messages: Option<Rc<Messages>> = live.messages();
    let lane = |direction| Lane::new(direction, limit, messages.clone());
    let (mut up, mut down) = (lane(Direction::Request), lane(Direction::Response));
    stats.tunnel_opened();
    if let Err(stop) = carry(live, client, upstream, &mut up, &mut down).await {
        // Boxed: it is not to lie in every WebSocket that goes on.
        Box::pin(part(live, client, upstream, &mut up, &mut down, &stop)).await;
    }
    stats.tunnel_closed();
    stats.bytes(Way::FromClient, up.received);
    stats.bytes(Way::ToUpstream, up.sent);
    stats.bytes(Way::FromUpstream, down.received);
    stats.bytes(Way::ToClient, down.sent);
    [
        Relayed { from_client: up.received, to_client: down.received },
        Relayed { from_client: up.sent, to_client: down.sent },
    ]
}

async fn carry<C, U>(live: &Live, client: &mut C, upstream: &mut U, up: &mut Lane, down: &mut Lane) -> Result<(), Stop>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let idle = live.tuning.client.tunnel_idle;
    let mut idle_until = pin!(sleep_until(Instant::now() + idle));
    let mut seen = 0;
    poll_fn(|cx| {
        let polled = (up.poll(cx, live, client, upstream)?, down.poll(cx, live, upstream, client)?);
        if polled.0.is_ready() && polled.1.is_ready() {
            return Poll::Ready(Ok(()));
        }
        while idle_until.as_mut().poll(cx).is_ready() {
            let moved = up.received + up.sent + down.received + down.sent;
            if moved == seen {
                return Poll::Ready(Ok(()));
            }
            seen = moved;
            idle_until.as_mut().reset(Instant::now() + idle);
        }
        Poll::Pending
    })
    .await
}

/// Tells both peers, and gives them time to say goodbye.
async fn part<C, U>(live: &Live, client: &mut C, upstream: &mut U, up: &mut Lane, down: &mut Lane, stop: &Stop)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let Some((outcome, error, close)) = account(stop) else { return };
    tracing::debug!(exchange = %live.id, "{error}");
    live.ends_after_all(outcome, error);
    let to_client = down.farewell(close.code, &close.reason);
    let to_upstream = up.farewell(close.code, &close.reason);
    let (told_client, told_upstream) =
        tokio::join!(goodbye(client, &to_client, up), goodbye(upstream, &to_upstream, down));
    down.sent += told_client;
    up.sent += told_upstream;
}

/// How it stands in the record, and what the peers are told. None: a peer is gone.
fn account(stop: &Stop) -> Option<(Outcome, String, Close)> {
    let told = |code, reason: &str| Close { code, reason: reason.to_owned() };
    Some(match stop {
        Stop::Broken => return None,
        Stop::Closed(close) => {
            (Outcome::FilterAnswered, format!("a filter closed the WebSocket with {}", close.code), close.clone())
        }
        Stop::Failed(failure) if failure.kind == FailureKind::BufferOverflow => {
            (Outcome::FilterFailed, failure.to_string(), told(1009, "a message is too long for a filter"))
        }
        Stop::Failed(failure) => (Outcome::FilterFailed, failure.to_string(), told(1011, "a filter failed")),
        Stop::Fault(from, fault) => {
            let (outcome, who) = match from {
                Direction::Request => (Outcome::ClientGone, "client"),
                Direction::Response => (Outcome::UpstreamFailed, "upstream"),
            };
            let error = format!("the {who} broke RFC 6455: {fault}");
            (outcome, error.clone(), told(fault.code(), &error))
        }
    })
}

/// Bytes that were written. `hears` is the lane that reads from this peer.
async fn goodbye<S: AsyncRead + AsyncWrite + Unpin>(peer: &mut S, farewell: &[u8], hears: &mut Lane) -> u64 {
    let mut written = 0;
    let _ = timeout(GOODBYE, async {
        peer.write_all(farewell).await?;
        peer.flush().await?;
        written = farewell.len() as u64;
        let mut heard = [0; 1024];
        let mut count = 0;
        while !hears.has_closed(&heard[..count]) {
            count = peer.read(&mut heard).await?;
            hears.received += count as u64;
            if count == 0 {
                break;
            }
        }
        peer.shutdown().await
    })
    .await;
    written
}
