//! What is said in plain HTTP/1.1 to a connection that nothing else will come of: a problem (RFC 9457), and its end. Whoever does
//! not want to know is gone; few are told at a time, and for a moment.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::room::Full;

/// At a time.
const TELLING: usize = 64;
/// For each.
const MOMENT: Duration = Duration::from_secs(5);
/// Of what a client has to say, so much is taken: else the answer is lost with the connection.
const LONGEST: u64 = 64 << 10;

/// To who speaks plain HTTP where TLS is spoken.
pub(super) const TLS_HERE: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n",
    "{\"type\":\"urn:weir:problem:bad-request\",\"title\":\"Bad Request\",\"status\":400,",
    "\"detail\":\"this port speaks TLS: use https://\"}\n"
);
const ADDRESS_FULL: &str = concat!(
    "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\nConnection: close\r\n\r\n",
    "{\"type\":\"urn:weir:problem:too-many\",\"title\":\"Too Many Requests\",\"status\":429,",
    "\"detail\":\"more connections from this address than connection_limit allows: close some, or use them again\"}\n"
);
const ALL_FULL: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\nConnection: close\r\n\r\n",
    "{\"type\":\"urn:weir:problem:busy\",\"title\":\"Service Unavailable\",\"status\":503,",
    "\"detail\":\"the orchestrator has as many connections as it takes: try again\"}\n"
);

/// To who is not let in.
pub(super) fn turned_away(full: Full) -> &'static str {
    match full {
        Full::Network => ADDRESS_FULL,
        Full::Whole => ALL_FULL,
    }
}

/// Turns to be told.
#[derive(Clone)]
pub(super) struct PlainWords(Arc<Semaphore>);

impl Default for PlainWords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TELLING)))
    }
}

impl PlainWords {
    /// Says it, if there is a turn, and ends the connection. Nobody waits for that.
    pub(super) fn say(&self, mut socket: TcpStream, words: &'static str) {
        let Ok(turn) = Arc::clone(&self.0).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _turn = turn;
            let said = async {
                socket.write_all(words.as_bytes()).await?;
                socket.shutdown().await?;
                tokio::io::copy(&mut socket.take(LONGEST), &mut tokio::io::sink()).await
            };
            // There is nobody to tell that it failed.
            let _ = timeout(MOMENT, said).await;
        });
    }
}
