//! Opaque copies between a client and its target. Enters: two streams; leaves: how many bytes went each way. The end of
//! one direction is passed on and the other goes on (RFC 9293 section 3.6); a tunnel without a byte for too long ends.
//! Must not know what the bytes mean.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::connection::Cx;
use crate::io::{self as streams, Io};
use crate::record::TunnelRecord;
use crate::roster::{At, Reached};
use crate::stats::Way;
use crate::tls::Overheard;
use crate::upstream::UpstreamFailure;
use crate::worker::Worker;

const BUFFER: usize = 16 << 10;

/// What came of the silence of a tunnel.
pub enum First {
    /// The client spoke, be it after the server.
    Client,
    /// The server spoke, and the client has nothing to say.
    Upstream,
    Nobody,
}

/// Carries bytes between the client and the target of its tunnel.
pub async fn run(cx: &mut Cx, mut client: Io) {
    cx.is_at(At::Dialing);
    let reached = reach(cx).await;
    let record = cx.tunnel.take();
    match reached {
        Ok(mut far) => {
            cx.is_at(At::Tunnel);
            carry(cx, record, &mut client, &mut far).await;
        }
        Err(failure) => {
            if let Some(record) = record {
                record.fails("unreachable", &failure);
            }
            // The client was answered long ago, so the end of its connection is all it can be told.
            tracing::info!(client = %cx.facts.client_address, target = ?cx.facts.tunnel_target, %failure, "tunnel");
            cx.worker.shared.stats.upstream_failed(&failure);
        }
    }
}

/// What is recorded of it is told also where this is dropped.
async fn carry(cx: &Cx, record: Option<TunnelRecord>, client: &mut Io, far: &mut Io) {
    let Some(mut record) = record.filter(TunnelRecord::is_on) else {
        relay(&cx.worker, client, far).await;
        return;
    };
    let mut overheard = Overheard::default();
    let ended = {
        let mut client = streams::Overheard::new(client, Some(|bytes: &[u8]| overheard.heard(bytes)));
        match record.moved() {
            Some(moved) => relay_telling(&cx.worker, &mut client, far, moved).await,
            None => return,
        }
    };
    record.server_name(overheard.take());
    record.ends(match ended {
        Ended::Both => "ended",
        Ended::Broken => "broken",
        Ended::Idle => "idle",
    });
}

/// The target's end: with TLS of the agent's own where the client's was ended here.
async fn reach(cx: &mut Cx) -> Result<Io, UpstreamFailure> {
    if let Some(far) = cx.far.take() {
        return Ok(far);
    }
    let target = cx.origin.as_ref().ok_or_else(|| UpstreamFailure::Refused("there is no target".to_owned()))?;
    if cx.situation.intercepted {
        let offers = cx.alpn.iter().cloned().collect();
        let far = cx.worker.upstreams.dial_tls(target, offers).await?;
        cx.reaches(Reached::by_tls(&far));
        return Ok(Io::new(far));
    }
    let far = cx.worker.upstreams.dial(target).await?;
    cx.reaches(Some(Reached::plainly(far.address)));
    Ok(Io::new(far.stream))
}

/// Dials, and waits for the first byte of the client, which is left in `read`. Until then, the server may speak.
pub async fn who_speaks_first(cx: &mut Cx, client: &mut Io, read: &mut BytesMut) -> First {
    let leaving = cx.worker.drain.join();
    let limit = cx.worker.tuning.now().client.tunnel_idle;
    let heard = |heard: io::Result<usize>| if matches!(heard, Ok(1..)) { First::Client } else { First::Nobody };
    let mut far = tokio::select! {
        biased;
        spoke = client.read_buf(read) => return heard(spoke),
        () = leaving.begun() => return First::Nobody,
        reached = reach(cx) => match reached {
            Ok(far) => far,
            // A dead target does not keep a slow client from its TLS handshake, in which it will be told.
            Err(_) => return tokio::select! {
                biased;
                spoke = timeout(limit, client.read_buf(read)) => spoke.map_or(First::Nobody, heard),
                () = leaving.begun() => First::Nobody,
            },
        },
    };
    let mut spoken = BytesMut::new();
    let first = tokio::select! {
        biased;
        spoke = client.read_buf(read) => heard(spoke),
        _ = far.read_buf(&mut spoken) => greeted(cx, client, &mut far, spoken, read).await,
        () = sleep(limit) => First::Nobody,
        () = leaving.begun() => First::Nobody,
    };
    cx.far = Some(far);
    first
}

/// Hands on what the server says until the client says something: a greeting makes no request of the client's opaque. What
/// was read of the server before the client spoke has gone to the client.
async fn greeted(cx: &Cx, client: &mut Io, far: &mut Io, mut spoken: BytesMut, read: &mut BytesMut) -> First {
    let limit = cx.worker.tuning.now().client.tunnel_idle;
    let stats = &cx.worker.shared.stats;
    let mut has_ended = false;
    loop {
        has_ended |= spoken.is_empty();
        let handed_on = async {
            if has_ended {
                return client.shutdown().await;
            }
            client.write_all(&spoken).await?;
            client.flush().await
        };
        if !matches!(timeout(limit, handed_on).await, Ok(Ok(()))) {
            return First::Nobody;
        }
        stats.bytes(Way::FromUpstream, spoken.len() as u64);
        stats.bytes(Way::ToClient, spoken.len() as u64);
        spoken.clear();
        tokio::select! {
            biased;
            spoke = client.read_buf(read) => return match spoke {
                Ok(0) => First::Upstream,
                Ok(_) => First::Client,
                Err(_) => First::Nobody,
            },
            _ = far.read_buf(&mut spoken), if !has_ended => {}
            () = sleep(limit) => return First::Nobody,
        }
    }
}

/// Bytes that went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    pub from_client: u64,
    pub to_client: u64,
}

/// One direction of a tunnel.
#[derive(Default)]
struct Pump {
    /// made when the first byte waits, so that an idle tunnel has none
    buffer: Option<Box<[u8]>>,
    filled: std::ops::Range<usize>,
    copied: u64,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Copying,
    Flushing,
    Ending,
    Done,
}

/// How it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// both sides had nothing more to say
    Both,
    Broken,
    /// nothing moved for too long
    Idle,
}

/// Until both directions have ended, one of them broke, or nothing moved for too long.
pub async fn relay<C, U>(worker: &Rc<Worker>, client: &mut C, upstream: &mut U) -> Relayed
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let moved = Cell::default();
    relay_telling(worker, client, upstream, &moved).await;
    moved.get()
}

/// The same; what has gone through stands in `told` all the time.
async fn relay_telling<C, U>(worker: &Rc<Worker>, client: &mut C, upstream: &mut U, told: &Cell<Relayed>) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let _member = worker.drain.join();
    let stats = &worker.shared.stats;
    let idle = worker.tuning.now().client.tunnel_idle;
    let (mut up, mut down) = (Pump::default(), Pump::default());
    let mut idle_until = pin!(sleep_until(Instant::now() + idle));
    let mut seen = 0;
    stats.tunnel_opened();
    let ended = poll_fn(|cx| {
        let broken = |polled: &Poll<io::Result<()>>| matches!(polled, Poll::Ready(Err(_)));
        let polled = (up.poll(cx, client, upstream), down.poll(cx, upstream, client));
        told.set(Relayed { from_client: up.copied, to_client: down.copied });
        if broken(&polled.0) || broken(&polled.1) {
            return Poll::Ready(Ended::Broken);
        }
        if polled.0.is_ready() && polled.1.is_ready() {
            return Poll::Ready(Ended::Both);
        }
        while idle_until.as_mut().poll(cx).is_ready() {
            let moved = up.copied + down.copied;
            if moved == seen {
                return Poll::Ready(Ended::Idle);
            }
            seen = moved;
            idle_until.as_mut().reset(Instant::now() + idle);
        }
        Poll::Pending
    })
    .await;
    stats.tunnel_closed();
    stats.bytes(Way::FromClient, up.copied);
    stats.bytes(Way::ToUpstream, up.copied);
    stats.bytes(Way::FromUpstream, down.copied);
    stats.bytes(Way::ToClient, down.copied);
    ended
}

impl Pump {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.state {
                State::Copying if self.filled.is_empty() => match self.read(cx, from) {
                    // What is written may wait in a TLS record until the reader has nothing more.
                    Poll::Pending => {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        return Poll::Pending;
                    }
                    Poll::Ready(read) => read?,
                },
                State::Copying => {
                    let buffer = self.buffer.as_deref().unwrap_or_default();
                    let written = ready!(Pin::new(&mut *to).poll_write(cx, &buffer[self.filled.clone()]))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.filled.start += written;
                    self.copied += written as u64;
                }
                State::Flushing => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.state = State::Ending;
                }
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
    }

    fn read<R: AsyncRead + Unpin>(&mut self, cx: &mut Context<'_>, from: &mut R) -> Poll<io::Result<()>> {
        let buffer = self.buffer.get_or_insert_with(|| vec![0; BUFFER].into_boxed_slice());
        let mut into = ReadBuf::new(buffer);
        match Pin::new(from).poll_read(cx, &mut into) {
            Poll::Pending => {
                self.buffer = None;
                return Poll::Pending;
            }
            Poll::Ready(read) => read?,
        }
        self.filled = 0..into.filled().len();
        if self.filled.is_empty() {
            self.buffer = None;
            self.state = State::Flushing;
        }
        Poll::Ready(Ok(()))
    }
}
