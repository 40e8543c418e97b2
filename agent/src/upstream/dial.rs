//! Sockets to upstreams. Enters: a target; leaves: a connected stream and the address it went to. Tries the addresses in
//! order, the next one a quarter of a second after the last (RFC 8305 section 5). Must not know TLS or HTTP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::UpstreamFailure;
use super::resolve::Resolver;
use crate::io::STALLED;
use crate::target::Target;

const STAGGER: Duration = Duration::from_millis(250);

pub struct Dialed {
    pub stream: TcpStream,
    pub address: SocketAddr,
}

pub(super) async fn dial(resolver: &Resolver, target: &Target, limit: Duration) -> Result<Dialed, UpstreamFailure> {
    let addresses = resolver.resolve(target).await?;
    let (stream, address) = match addresses[..] {
        [only] => timeout(limit, connect(only)).await.map_err(|_| TOO_LONG)?,
        _ => timeout(limit, race(&addresses)).await.map_err(|_| TOO_LONG)?,
    }
    .map_err(|(error, address)| failure(&error, address))?;
    // Heads are written in one piece, so waiting to fill a segment only delays the last of them.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED));
    Ok(Dialed { stream, address })
}

const TOO_LONG: UpstreamFailure = UpstreamFailure::Timeout("to accept the connection");

type Attempt = Result<(TcpStream, SocketAddr), (io::Error, SocketAddr)>;

async fn connect(address: SocketAddr) -> Attempt {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok((stream, address)),
        Err(error) => Err((error, address)),
    }
}

/// First to connect wins. A failure starts the next attempt at once; the first address' failure is the one told.
async fn race(addresses: &[SocketAddr]) -> Attempt {
    let mut rest = addresses.iter().copied();
    let mut attempts = FuturesUnordered::new();
    let mut failed = None;
    let mut next = Box::pin(sleep(Duration::ZERO));
    loop {
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    failed = Some(match failed.take() {
                        Some(failed) => more_telling(failed, error),
                        None => error,
                    });
                    next.as_mut().reset(Instant::now());
                }
            },
            () = &mut next, if rest.len() > 0 => {
                attempts.extend(rest.next().map(connect));
                next.as_mut().reset(Instant::now() + STAGGER);
            }
            else => return Err(failed.unwrap_or_else(|| (io::ErrorKind::NotFound.into(), addresses[0]))),
        }
    }
}

/// The first, unless it is the agent's own fault and the second is not: one family of addresses may be missing here.
fn more_telling<A>(first: (io::Error, A), second: (io::Error, A)) -> (io::Error, A) {
    if is_own(&first.0) && !is_own(&second.0) { second } else { first }
}

/// Nothing that the upstream did (connect(2), socket(2)).
fn is_own(error: &io::Error) -> bool {
    use libc::{EACCES, EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM};
    let own = [EACCES, EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM];
    error.raw_os_error().is_some_and(|code| own.contains(&code))
}

fn failure(error: &io::Error, address: SocketAddr) -> UpstreamFailure {
    match error.kind() {
        _ if is_own(error) => UpstreamFailure::Own(format!("{address}: {error}")),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            UpstreamFailure::Reset(format!("{address}: {error}"))
        }
        io::ErrorKind::TimedOut => TOO_LONG,
        _ => UpstreamFailure::Refused(format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_blame_is_who_did_it() {
        let address = SocketAddr::from(([192, 0, 2, 1], 80));
        let of = |code| failure(&io::Error::from_raw_os_error(code), address);
        for own in [libc::EMFILE, libc::EADDRNOTAVAIL, libc::EACCES, libc::ENOBUFS] {
            assert!(matches!(of(own), UpstreamFailure::Own(_)), "{own}");
        }
        assert!(matches!(of(libc::ECONNREFUSED), UpstreamFailure::Refused(_)));
        assert!(matches!(of(libc::EHOSTUNREACH), UpstreamFailure::Refused(_)));
        assert!(matches!(of(libc::ECONNRESET), UpstreamFailure::Reset(_)));
    }

    #[test]
    fn an_upstream_that_refuses_says_more_than_an_address_that_cannot_be_tried() {
        let of = |code, at: u8| (io::Error::from_raw_os_error(code), at);
        let (own, refused) = (libc::EADDRNOTAVAIL, libc::ECONNREFUSED);
        assert_eq!(more_telling(of(own, 1), of(refused, 2)).1, 2);
        assert_eq!(more_telling(of(refused, 1), of(own, 2)).1, 1);
        assert_eq!(more_telling(of(refused, 1), of(refused, 2)).1, 1);
        assert_eq!(more_telling(of(own, 1), of(own, 2)).1, 1);
    }
}
