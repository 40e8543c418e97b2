//! The whole store as one file, while it is used. Of the file a few MiB are in memory; the part that has to be of one moment is put
//! together in the data folder first.

pub(crate) mod archive;
pub(crate) mod keys;

use std::{
    io::{self, Read as _, Seek as _, Write as _},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::archive::{Head, Writer};
use crate::{
    clock::{now_us, rfc3339},
    orchestrator::Orchestrator,
    store::{self, StoreError},
};

/// Whoever takes nothing for so long wants none.
const PATIENCE: Duration = Duration::from_secs(60);
const CHUNK: usize = 256 << 10;

/// Bytes of the file as they come. An error ends it.
pub(crate) type Chunks = mpsc::Receiver<io::Result<Bytes>>;

/// Begins one; from then on the file comes out of the channel. `kept` is let go before its end is seen there.
pub(crate) async fn begin(orchestrator: Arc<Orchestrator>, kept: impl Send + 'static) -> Result<Chunks, StoreError> {
    let (out, chunks) = mpsc::channel(2);
    let (begun, begins) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    // Packing and files are no work for the threads of others.
    tokio::task::spawn_blocking(move || {
        runtime.block_on(write(&orchestrator, begun, &out));
        drop(kept);
    });
    begins.await.map_err(|_| StoreError::Closed)??;
    Ok(chunks)
}

async fn write(
    orchestrator: &Orchestrator,
    begun: oneshot::Sender<Result<(), StoreError>>,
    out: &mpsc::Sender<io::Result<Bytes>>,
) {
    let head = Head::new(rfc3339(now_us()), store::newest_schema(), &orchestrator.pki.key_hash());
    let moment = async {
        let fault = |error: io::Error| StoreError::Backup(error.to_string());
        let mut file = tempfile::tempfile_in(&orchestrator.scratch).map_err(fault)?;
        let mut archive = Writer::new(&head).map_err(fault)?;
        let snapshot = orchestrator.store.snapshot(&mut archive, |bytes| file.write_all(&bytes)).await?;
        file.rewind().map_err(fault)?;
        Ok((file, archive, snapshot))
    };
    let (mut file, mut archive, mut snapshot) = match moment.await {
        Ok(moment) => moment,
        Err(error) => return drop(begun.send(Err(error))),
    };
    let _ = begun.send(Ok(()));
    let rest = async {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            (&mut file).take(CHUNK as u64).read_to_end(&mut chunk)?;
            if chunk.is_empty() {
                break;
            }
            send(out, chunk).await?;
        }
        drop(file);
        while orchestrator.store.copy_on(&mut snapshot, &mut archive).await.map_err(io::Error::other)? {
            if archive.ready() >= CHUNK {
                send(out, archive.take()).await?;
            }
        }
        send(out, archive.finish()?).await
    };
    if let Err(error) = rest.await {
        tracing::error!(%error, "a backup was broken off");
        let _ = timeout(PATIENCE, out.send(Err(error))).await;
    }
}

async fn send(out: &mpsc::Sender<io::Result<Bytes>>, chunk: Vec<u8>) -> io::Result<()> {
    match timeout(PATIENCE, out.send(Ok(chunk.into()))).await {
        Ok(sent) => sent.map_err(|_| io::Error::other("whoever asked for it went away")),
        Err(_) => Err(io::Error::other("whoever asked for it takes no more")),
    }
}
