//! Ports for programs that cannot be asked for port 0, and for those that come back to the one they had. Where the kernel leaves room
//! for it, it gives none of these to whoever asks for any; and of processes that use this kit each has its own.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::MetadataExt as _,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};
use tokio::net::TcpSocket;

/// Below it are those of servers that a machine may have.
const FIRST: u16 = 12_000;
/// Fewer than that are not enough.
const ENOUGH: u16 = 2_000;

/// Held to the end of this process.
static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// One that nobody listens at, and that is nobody else's.
pub fn reserve() -> anyhow::Result<u16> {
    let user = fs::metadata("/proc/self")?.uid();
    let folder = std::env::temp_dir().join(format!("weir-test-ports-{user}"));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let end = end(first_of_the_kernel()?);
    let count = u32::from(end - FIRST);
    // processes that begin at the same time do not try the same ones
    let begin = std::process::id().wrapping_mul(101) % count;
    for step in 0..count {
        let port = FIRST + u16::try_from((begin + step) % count)?;
        let file = File::options().create(true).append(true).open(folder.join(port.to_string()))?;
        if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            return Ok(port);
        }
    }
    bail!("none of the ports from {FIRST} to {end} is free")
}

/// Some systems have the kernel choose among nearly all of them.
fn end(kernels: u16) -> u16 {
    if kernels < FIRST + ENOUGH { u16::MAX } else { kernels }
}

/// The first of those that the kernel chooses (ip(7), `ip_local_port_range`).
fn first_of_the_kernel() -> anyhow::Result<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").context("the kernel's range of ports")?;
    range.split_whitespace().next().context("a port")?.parse().context("a port")
}

/// An address that refuses whoever connects: nobody listens there, and nobody else can as long as this is kept.
pub struct Closed {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl Closed {
    /// On 127.0.0.1.
    pub fn new() -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another() {
        let ports = [reserve().unwrap(), reserve().unwrap(), reserve().unwrap()];
        assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2], "{ports:?}");
        let end = end(first_of_the_kernel().unwrap());
        assert!(ports.iter().all(|port| (FIRST..end).contains(port)), "{ports:?}");
    }

    #[test]
    fn there_are_enough_whatever_the_kernel_takes() {
        assert_eq!((end(32_768), end(14_000)), (32_768, 14_000));
        assert_eq!((end(1024), end(12_001)), (u16::MAX, u16::MAX));
    }

    #[tokio::test]
    async fn nobody_gets_through_and_nobody_else_can_listen() {
        let closed = Closed::new().unwrap();
        let refused = tokio::net::TcpStream::connect(closed.address()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(TcpListener::bind(closed.address()).is_err());
    }
}
