//! How connections come in: TCP, then TLS, in which agents show their certificate. Nobody waits for anybody else here: each
//! connection is taken at once, has a short time for its handshake, and makes way when there are too many, one of the address
//! with the most. Where agents were seen is a place of their own. Whoever shows no certificate wants to join: there are few
//! of these at a time, and for a short while. An agent has a few connections, whatever it asks for. What leaves is who is in.

mod guest;
mod known;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::identity;
use crate::{
    Limits,
    pki::{Pki, ServerIdentity},
    room::{MakesWay, Place, Room},
    seats::Seats,
    telemetry::{Away, Door as Entrance, Telemetry},
};

pub(super) use guest::Guest;
use known::Known;

/// Handshakes at a time, in all and from one address; twice: of addresses where agents were seen, and of others.
const HANDSHAKES: (usize, usize) = (512, 128);
/// Connections without a certificate, at a time, in all and from one address.
const STRANGERS: (usize, usize) = (256, 64);
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

/// Why nothing came of a connection that was taken.
enum Nothing {
    TurnedAway(Away),
    Broken(io::Error),
}

impl From<io::Error> for Nothing {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

struct Door {
    tls: TlsAcceptor,
    /// Those in the middle of their handshake: from where agents were seen, and from elsewhere.
    known: Known,
    familiar: Arc<Room>,
    unfamiliar: Arc<Room>,
    agents: Arc<Seats>,
    strangers: Arc<Room>,
    telemetry: Arc<Telemetry>,
    limits: Limits,
}

/// Connections as they come, until `stop`.
pub(super) fn open(
    listener: TcpListener,
    identity: &ServerIdentity,
    pki: &Pki,
    telemetry: Arc<Telemetry>,
    limits: Limits,
    stop: CancellationToken,
) -> Result<ReceiverStream<io::Result<Guest>>, DoorError> {
    let room = |(all, each)| Room::new(all, each, MakesWay::Anyone);
    let door = Arc::new(Door {
        tls: TlsAcceptor::from(Arc::new(tls(identity, pki)?)),
        known: Known::default(),
        familiar: room(HANDSHAKES),
        unfamiliar: room(HANDSHAKES),
        agents: Arc::new(Seats::new(ALL, EACH)),
        strangers: room(STRANGERS),
        telemetry,
        limits,
    });
    let (guests, incoming) = mpsc::channel(16);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(listener, door, guests) => {}
        }
    });
    Ok(ReceiverStream::new(incoming))
}

async fn accept(listener: TcpListener, door: Arc<Door>, guests: mpsc::Sender<io::Result<Guest>>) {
    while !guests.is_closed() {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "no agent's connection can be accepted");
                sleep(PAUSE).await;
                continue;
            }
        };
        let waiting = if door.known.has(peer.ip()) { &door.familiar } else { &door.unfamiliar };
        let place = match door.enter(waiting, peer) {
            Ok(place) => place,
            Err(nothing) => {
                door.tell(nothing, peer);
                continue;
            }
        };
        let (door, guests) = (Arc::clone(&door), guests.clone());
        tokio::spawn(async move {
            let guest = tokio::select! {
                guest = door.admit(stream, peer, &place) => guest,
                // Counted when it was told.
                () = place.left().cancelled() => return,
            };
            drop(place);
            match guest {
                Ok(guest) => drop(guests.send(Ok(guest)).await),
                Err(nothing) => door.tell(nothing, peer),
            }
        });
    }
}

impl Door {
    /// A place there; who makes way for it is counted.
    fn enter(&self, room: &Arc<Room>, peer: SocketAddr) -> Result<Place, Nothing> {
        let (place, left) = room.enter(peer.ip(), false).map_err(|_| Nothing::TurnedAway(Away::Full))?;
        if let Some(left) = left {
            self.telemetry.turned_away(Entrance::Grpc, Away::Crowded, left);
        }
        Ok(place)
    }

    fn tell(&self, nothing: Nothing, peer: SocketAddr) {
        match nothing {
            Nothing::TurnedAway(away) => self.telemetry.turned_away(Entrance::Grpc, away, peer.ip()),
            Nothing::Broken(error) => tracing::debug!(%error, %peer, "a connection for agents came to nothing"),
        }
    }

    async fn admit(&self, stream: TcpStream, peer: SocketAddr, waiting: &Place) -> Result<Guest, Nothing> {
        let silent = |_| Nothing::TurnedAway(Away::Silent);
        stream.set_nodelay(true)?;
        timeout(self.limits.agent_word, stream.peek(&mut [0])).await.map_err(silent)??;
        waiting.busy();
        let stream = timeout(self.limits.agent_handshake, self.tls.accept(stream)).await.map_err(silent)??;
        let leaf = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let Some(leaf) = leaf else {
            let place = self.enter(&self.strangers, peer)?;
            return Ok(Guest::stranger(stream, place));
        };
        // One that names no agent is told so by the first call; until then they share a place.
        let name = identity::shown(leaf).map_or_else(String::new, |shown| shown.id.to_string());
        let seat = self.agents.take(&name).ok_or(Nothing::TurnedAway(Away::Agent))?;
        self.known.note(peer.ip());
        Ok(Guest::agent(stream, seat))
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
