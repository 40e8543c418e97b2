//! The body store: files of a folder, or objects of a bucket. Bytes go in under a key that was never used before and come
//! out as they are; what they are is not known here.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, aws::AmazonS3Builder, path::Path, prefix::PrefixStore,
};
use uuid::Uuid;
use weir_artifact::Digest;

use super::{super::StoreError, folder::Folder};
use crate::body_store::{BodyPlace, Bucket};

/// Says whose bodies these are.
const MARK: &str = "weir-body-store";
/// For a request to a bucket.
const REQUEST: Duration = Duration::from_secs(30);
/// For all tries of one.
const TRIES: Duration = Duration::from_secs(20);

pub(in super::super) struct Objects {
    kind: Kind,
    /// Where it is, for people.
    place: String,
}

enum Kind {
    Folder(Folder),
    Bucket(Arc<dyn ObjectStore>),
}

/// Nothing there, or nobody to ask.
#[derive(Debug)]
pub(super) enum Lack {
    Missing,
    Away(String),
}

impl Objects {
    /// None where all bodies are kept in the database.
    pub(in super::super) fn open(place: &BodyPlace) -> Result<Option<Self>, StoreError> {
        let named = place.to_string();
        let fault = |error: String| StoreError::BodyStore { place: named.clone(), error };
        let kind = match place {
            BodyPlace::Database => return Ok(None),
            BodyPlace::Folder(path) => Kind::Folder(Folder::open(path).map_err(|error| fault(error.to_string()))?),
            BodyPlace::Bucket(bucket) => Kind::Bucket(remote(bucket).map_err(|error| fault(error.to_string()))?),
        };
        Ok(Some(Self { kind, place: named }))
    }

    pub(in super::super) fn place(&self) -> &str {
        &self.place
    }

    /// Writes them, and answers with the key when they are on the disk.
    pub(super) async fn put(&self, digest: Digest, bytes: Bytes) -> Result<String, StoreError> {
        let hex = digest.hex();
        // One key is one writing: whoever deletes a key deletes nothing that was written later.
        let key = format!("{}/{hex}-{}", hex.get(..2).unwrap_or_default(), Uuid::new_v4().simple());
        match self.write(&key, bytes).await {
            Ok(()) => Ok(key),
            Err(error) => Err(StoreError::NotStored(format!("body store {}: {error}", self.place))),
        }
    }

    async fn write(&self, key: &str, bytes: Bytes) -> Result<(), String> {
        match &self.kind {
            Kind::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.to_owned());
                aside(move || folder.put(&key, &bytes)).await.map_err(|error| error.to_string())
            }
            Kind::Bucket(store) => {
                store.put(&Path::from(key), bytes.into()).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes, Lack> {
        let away = |error: String| Lack::Away(format!("body store {}: {error}", self.place));
        match &self.kind {
            Kind::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.to_owned());
                match aside(move || folder.get(&key)).await {
                    Ok(bytes) => Ok(bytes.into()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Lack::Missing),
                    Err(error) => Err(away(error.to_string())),
                }
            }
            Kind::Bucket(store) => {
                let lack = |error: object_store::Error| match error {
                    object_store::Error::NotFound { .. } => Lack::Missing,
                    other => away(other.to_string()),
                };
                store.get(&Path::from(key)).await.map_err(lack)?.bytes().await.map_err(lack)
            }
        }
    }

    /// True when it is gone, whoever took it.
    pub(super) async fn delete(&self, key: &str) -> bool {
        let failed = match &self.kind {
            Kind::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.to_owned());
                let deleted = aside(move || folder.delete(&key)).await;
                deleted.err().filter(|error| error.kind() != io::ErrorKind::NotFound).map(|error| error.to_string())
            }
            Kind::Bucket(store) => match store.delete(&Path::from(key)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => None,
                Err(error) => Some(error.to_string()),
            },
        };
        if let Some(error) = &failed {
            tracing::warn!(error, key, "a body that nobody needs cannot be deleted; it is tried again");
        }
        failed.is_none()
    }

    /// Keys written before then, in no order.
    pub(super) async fn older(&self, than: SystemTime) -> Result<Vec<String>, StoreError> {
        match &self.kind {
            Kind::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.older(than)).await.map_err(|error| self.fault(error.to_string()))
            }
            Kind::Bucket(store) => {
                let keys = store.list(None).try_filter_map(|meta| {
                    let key = meta.location.to_string();
                    let is_old = SystemTime::from(meta.last_modified) < than && key != MARK;
                    std::future::ready(Ok(is_old.then_some(key)))
                });
                keys.try_collect().await.map_err(|error| self.fault(error.to_string()))
            }
        }
    }

    /// What it says whose it is.
    pub(in super::super) async fn mark(&self) -> Result<Option<String>, StoreError> {
        match self.get(MARK).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
            Err(Lack::Missing) => Ok(None),
            Err(Lack::Away(error)) => Err(self.fault(error)),
        }
    }

    pub(in super::super) async fn set_mark(&self, id: &str) -> Result<(), StoreError> {
        self.write(MARK, format!("{id}\n").into()).await.map_err(|error| self.fault(error))
    }

    pub(in super::super) fn fault(&self, error: impl Into<String>) -> StoreError {
        StoreError::BodyStore { place: self.place.clone(), error: error.into() }
    }
}

/// Away from the I/O threads.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn remote(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let options = ClientOptions::new().with_timeout(REQUEST).with_allow_http(bucket.plain);
    let retry = RetryConfig { retry_timeout: TRIES, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_access_key_id(&bucket.credentials.access_key_id)
        .with_secret_access_key(&bucket.credentials.secret_access_key)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(token) = &bucket.credentials.session_token {
        builder = builder.with_token(token);
    }
    let store = builder.build()?;
    if bucket.prefix.is_empty() {
        return Ok(Arc::new(store));
    }
    Ok(Arc::new(PrefixStore::new(store, &*bucket.prefix)))
}
