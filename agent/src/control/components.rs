//! Components by digest: from disk, else from the orchestrator. What leaves is exactly the stated bytes; no more than
//! their stated number is ever taken in, and a file that was altered is fetched again.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{error::Elapsed, sleep, timeout};
use tonic::{Status, Streaming, transport::Channel};
use weir_artifact::{Digest, MAX_COMPONENT_BYTES};
use weir_proto::v1::{ComponentChunk, FetchRequest, control_client::ControlClient};

use super::{asked_to_wait, link};
use crate::disk;

/// Between two chunks.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of one component, where the orchestrator asks to be asked later.
const TRIES: usize = 5;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the statement says {0} bytes, more than the {MAX_COMPONENT_BYTES} that an agent takes")]
    TooLarge(u64),
    #[error("the orchestrator sends {sent} bytes or more, the statement says {stated}")]
    Oversized { sent: u64, stated: u64 },
    #[error("the orchestrator stopped after {sent} bytes, the statement says {stated}")]
    Truncated { sent: u64, stated: u64 },
    #[error("the orchestrator sends other bytes: they are {0}")]
    Other(Digest),
    #[error("the orchestrator does not give it: {0}")]
    Refused(String),
    #[error("the orchestrator is away, and the component is not on disk")]
    Away,
    #[error("the component cannot be kept: {0}")]
    Disk(#[from] io::Error),
}

/// A folder of components, each named after its digest.
pub struct Components {
    folder: PathBuf,
}

impl Components {
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        disk::private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The component, from disk or over `channel`.
    ///
    /// # Errors
    /// Why not; the orchestrator is to blame for everything but disk faults.
    pub async fn take(&self, digest: Digest, size: u64, channel: Option<&Channel>) -> Result<Vec<u8>, FetchError> {
        if size > MAX_COMPONENT_BYTES {
            return Err(FetchError::TooLarge(size));
        }
        let path = self.path(digest);
        // hashed on every load: the disk is not what was signed
        if let Some(bytes) = disk::read_if_there(&path)?
            && Digest::of(&bytes) == digest
        {
            return Ok(bytes);
        }
        let bytes = fetch(digest, size, channel.ok_or(FetchError::Away)?).await?;
        let actual = Digest::of(&bytes);
        if actual != digest {
            return Err(FetchError::Other(actual));
        }
        disk::write_atomic(&path, &bytes)?;
        Ok(bytes)
    }

    /// Deletes every component but these.
    pub fn keep_only(&self, digests: &BTreeSet<Digest>) {
        let kept: BTreeSet<PathBuf> = digests.iter().map(|digest| self.path(*digest)).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !kept.contains(path)) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!("{}: {error}", path.display());
            }
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(Path::new(&digest.hex()).with_extension("wasm"))
    }
}

/// The stream of it. An agent that lacks many components is asked to wait between them.
async fn asked(digest: Digest, channel: &Channel) -> Result<Result<Streaming<ComponentChunk>, Status>, Elapsed> {
    let mut client = ControlClient::new(channel.clone()).max_decoding_message_size(weir_proto::MAX_MESSAGE_BYTES);
    let mut tries = 1..=TRIES;
    loop {
        let asked = client.fetch(FetchRequest { digest: digest.to_string() });
        let answer = timeout(PATIENCE, asked).await?;
        match answer.as_ref().err().and_then(asked_to_wait) {
            Some(wait) if wait <= PATIENCE && tries.next().is_some() => sleep(wait).await,
            _ => return Ok(answer.map(tonic::Response::into_inner)),
        }
    }
}

async fn fetch(digest: Digest, stated: u64, channel: &Channel) -> Result<Vec<u8>, FetchError> {
    let refused = |status: Status| FetchError::Refused(link::explain(&status));
    let mut chunks =
        asked(digest, channel).await.map_err(|_| FetchError::Truncated { sent: 0, stated })?.map_err(refused)?;
    let mut bytes = Vec::new();
    loop {
        let next = timeout(PATIENCE, chunks.message()).await;
        let sent = bytes.len() as u64;
        let Some(chunk) = next.map_err(|_| FetchError::Truncated { sent, stated })?.map_err(refused)? else {
            break;
        };
        let sent = sent + chunk.data.len() as u64;
        if sent > stated || chunk.total > stated {
            return Err(FetchError::Oversized { sent: sent.max(chunk.total), stated });
        }
        bytes.extend_from_slice(&chunk.data);
    }
    let sent = bytes.len() as u64;
    if sent < stated { Err(FetchError::Truncated { sent, stated }) } else { Ok(bytes) }
}
