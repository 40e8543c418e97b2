//! Accepting clients. Enters: an address; leaves: sockets of which the kernel deals connections out to the workers, and
//! one local task for each connection. Awaits no peer: what a client does or leaves undone holds up no other.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::{self, Cx};
use crate::open_files;
use crate::worker::Worker;

const BACKLOG: i32 = 1024;
/// While the process has no file descriptors left, accepting would fail at once again.
const BACK_OFF: Duration = Duration::from_millis(50);

/// A socket for each worker, all on one port, which is the first of them's where `address` leaves it open.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<(Vec<StdListener>, SocketAddr)> {
    open_files::raise_limit();
    let first = listen(address, false)?;
    let bound = first.local_addr()?;
    if workers > 1 {
        SockRef::from(&first).set_reuse_port(true)?;
    }
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(listen(bound, true)?);
    }
    Ok((listeners, bound))
}

/// The first socket of a port is alone on it until it listens: another agent there would share the clients, and neither
/// would know.
fn listen(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted agent need not wait for the last one's connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    match socket.bind(&address.into()).and_then(|()| socket.listen(BACKLOG)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let taken = "another process listens on this address, perhaps another agent; --listen gives another";
            Err(io::Error::new(error.kind(), taken))
        }
        listens => listens.map(|()| socket.into()),
    }
}

/// Until it is dropped.
pub async fn accept(worker: &Rc<Worker>, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => admit(worker, stream, client),
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "no new connections for a moment");
                tokio::time::sleep(BACK_OFF).await;
            }
            // The client was gone before it was accepted.
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
}

/// Those that wait in the backlog; after them the listener is closed.
pub fn accept_rest(worker: &Rc<Worker>, listener: TcpListener) {
    let Ok(listener) = listener.into_std() else { return };
    loop {
        match listener.accept() {
            Ok((stream, client)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                match stream {
                    Ok(stream) => admit(worker, stream, client),
                    Err(error) => tracing::debug!(%error, "accept"),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || is_exhaustion(&error) => return,
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
}

fn admit(worker: &Rc<Worker>, stream: TcpStream, client: SocketAddr) {
    let Some(seat) = worker.shared.room.take(worker.tuning.now().client.connections) else {
        worker.shared.stats.connection_refused();
        // Into the empty buffer of a fresh socket this always fits.
        let _ = stream.try_write(FULL);
        return;
    };
    // Counted from here on, since the worker may be about to wait for the last.
    let cx = Cx::new(Rc::clone(worker), client);
    tokio::task::spawn_local(connection::serve(cx, stream, seat));
}

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: application/problem+json\r\nContent-Length: 121\r\n\r\n\
    {\"type\":\"urn:weir:problem:connections\",\"title\":\"The agent serves as many clients as it may\",\"status\":503,\
    \"blame\":\"agent\"}";

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_of_a_full_agent_is_as_long_as_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }

    #[test]
    fn workers_share_a_port() {
        let (listeners, bound) = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 3).unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == bound));
        assert_eq!(listeners.len(), 3);
        // and each gets some of the clients
        let clients: Vec<_> = (0..200).map(|_| std::net::TcpStream::connect(bound).unwrap()).collect();
        let mut got = vec![0; listeners.len()];
        let until = std::time::Instant::now() + Duration::from_secs(30);
        // a client is connected before the kernel has put it into a backlog
        while got.iter().sum::<usize>() < clients.len() {
            assert!(std::time::Instant::now() < until, "{got:?} of {} clients", clients.len());
            for (got, listener) in got.iter_mut().zip(&listeners) {
                *got += std::iter::from_fn(|| listener.accept().ok()).count();
            }
        }
        assert!(got.iter().all(|got| *got > 0), "{got:?}");
    }

    #[test]
    fn nobody_else_shares_it() {
        for (own, other) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
            let (_listeners, bound) = bind(SocketAddr::from(([127, 0, 0, 1], 0)), own).unwrap();
            let error = bind(bound, other).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{own} {other}");
            assert!(error.to_string().contains("another process listens"), "{error}");
        }
    }
}
