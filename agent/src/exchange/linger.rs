//! The rest of a request body that nobody wants any more. Enters: the body; leaves: nothing, it is read and forgotten,
//! for a while, so that the client finds time to read its answer. Must not know the exchange, which may be over.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use super::source::Source;

/// A client that still sends after this does not read what it is answered.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn discard(mut body: Source) {
    tokio::task::spawn_local(timeout(PATIENCE, async move {
        while let Some(Ok(_)) = poll_fn(|cx| body.poll_frame(cx)).await {}
    }));
}
