//! How connections come in: TCP, then TLS, in which agents show their certificate. Whoever shows none wants to join: there are
//! few of these at a time, and for a short while. An agent has a few connections, whatever it asks for. What leaves is who is in.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, Sleep, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

use super::identity;
use crate::{
    pki::{Pki, ServerIdentity},
    seats::{Seat, Seats},
};

/// Of a peer's time, to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time; those beyond wait.
const HANDSHAKES: usize = 256;
/// Connections without a certificate, at a time and for how long: joining takes a moment.
const STRANGERS: usize = 64;
const STAY: Duration = Duration::from_secs(60);
/// Connections of one agent, which opens three or four, and of all.
const EACH: usize = 16;
const ALL: usize = 8192;
/// After an accept that failed: most often there is no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// The server's own identity cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoorError {
    #[error("the certificate for agents: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("the certificate for agents: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the certificate authority of agents: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// One connection that is in.
pub(super) struct Guest {
    stream: TlsStream<TcpStream>,
    _place: Place,
    /// of one without a certificate
    until: Option<Pin<Box<Sleep>>>,
}

enum Place {
    Agent(#[allow(dead_code, reason = "it is held")] Seat),
    Stranger(#[allow(dead_code, reason = "it is held")] OwnedSemaphorePermit),
}

struct Door {
    tls: TlsAcceptor,
    agents: Arc<Seats>,
    strangers: Arc<Semaphore>,
}

/// Connections as they come, until `stop`.
pub(super) fn open(
    listener: TcpListener,
    identity: &ServerIdentity,
    pki: &Pki,
    stop: CancellationToken,
) -> Result<ReceiverStream<io::Result<Guest>>, DoorError> {
    let door = Arc::new(Door {
        tls: TlsAcceptor::from(Arc::new(tls(identity, pki)?)),
        agents: Arc::new(Seats::new(ALL, EACH)),
        strangers: Arc::new(Semaphore::new(STRANGERS)),
    });
    let (guests, incoming) = mpsc::channel(16);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(listener, door, handshakes, guests) => {}
        }
    });
    Ok(ReceiverStream::new(incoming))
}

async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    handshakes: Arc<Semaphore>,
    guests: mpsc::Sender<io::Result<Guest>>,
) {
    loop {
        let Ok(turn) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "no agent's connection can be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (door, guests) = (Arc::clone(&door), guests.clone());
        tokio::spawn(async move {
            let guest = timeout(HANDSHAKE, door.admit(stream)).await;
            drop(turn);
            match guest {
                Ok(Ok(guest)) => drop(guests.send(Ok(guest)).await),
                Ok(Err(error)) => tracing::debug!(%error, "a connection for agents came to nothing"),
                Err(_) => tracing::debug!("a connection for agents did not finish its handshake"),
            }
        });
    }
}

impl Door {
    async fn admit(&self, stream: TcpStream) -> io::Result<Guest> {
        stream.set_nodelay(true)?;
        let stream = self.tls.accept(stream).await?;
        let full = |whose: &str| io::Error::other(format!("{whose} have as many connections as there may be"));
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let (place, until) = match leaf {
            Some(leaf) => {
                // One that names no agent is told so by the first call; until then they share a place.
                let name = identity::shown(leaf).map_or_else(String::new, |shown| shown.id.to_string());
                (Place::Agent(self.agents.take(&name).ok_or_else(|| full("agents, or this one,"))?), None)
            }
            None => {
                let turn =
                    Arc::clone(&self.strangers).try_acquire_owned().map_err(|_| full("those who want to join"))?;
                (Place::Stranger(turn), Some(Box::pin(tokio::time::sleep_until(Instant::now() + STAY))))
            }
        };
        Ok(Guest { stream, _place: place, until })
    }
}

/// A client certificate is asked for and may be missing.
fn tls(identity: &ServerIdentity, pki: &Pki) -> Result<ServerConfig, DoorError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.pem().as_bytes())?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build()?;
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

impl Connected for Guest {
    type ConnectInfo = TlsConnectInfo<TcpConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(until) = &mut self.until
            && until.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
