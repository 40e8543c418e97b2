//! The body store: files of a folder, or objects of a bucket. Bytes go in under a key that was never used before and come
//! out as they are; what they are is not known here.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig, aws::AmazonS3Builder, path::Path, prefix::PrefixStore,
};
use uuid::Uuid;
use weir_artifact::Digest;

use super::{
    super::StoreError,
    folder::{Folder, HALF},
};
use crate::body_store::{BodyPlace, Bucket};

/// Says whose bodies these are.
const MARK: &str = "weir-body-store";
/// For a request to a bucket.
const REQUEST: Duration = Duration::from_secs(30);
/// For all tries of one.
const TRIES: Duration = Duration::from_secs(20);
/// Keys of one part of a listing.
const TOGETHER: usize = 1000;

pub(in super::super) struct Objects {
    kind: Kind,
    /// Where it is, for people.
    place: String,
}

enum Kind {
    Folder(Folder),
    Bucket(Arc<dyn ObjectStore>),
}

/// Keys, some at a time.
pub(super) type Keys = BoxStream<'static, Result<Vec<String>, String>>;

/// Nothing there, or nobody to ask.
#[derive(Debug)]
pub(in super::super) enum Lack {
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
    pub(in super::super) async fn put(&self, digest: Digest, bytes: Bytes) -> Result<String, StoreError> {
        let key = new_key(digest);
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
                store.put(&Path::from(key), bytes.into()).await.map(drop).map_err(|error| said(&error))
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
                    object_store::Error::NotFound { .. } if !is_of_bucket(&error) => Lack::Missing,
                    other => away(said(&other)),
                };
                store.get(&Path::from(key)).await.map_err(lack)?.bytes().await.map_err(lack)
            }
        }
    }

    /// It is gone, whoever took it.
    pub(super) async fn delete(&self, key: &str) -> Result<(), String> {
        match &self.kind {
            Kind::Folder(folder) => {
                let (folder, key) = (folder.clone(), key.to_owned());
                match aside(move || folder.delete(&key)).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
                    _ => Ok(()),
                }
            }
            Kind::Bucket(store) => match store.delete(&Path::from(key)).await {
                Err(error @ object_store::Error::NotFound { .. }) if is_of_bucket(&error) => Err(said(&error)),
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(said(&error)),
            },
        }
    }

    /// Keys that were made here, written before then, in no order. Whatever else lies there is somebody else's.
    pub(super) async fn older(&self, than: SystemTime) -> Result<Keys, StoreError> {
        match &self.kind {
            Kind::Folder(folder) => {
                let folder = folder.clone();
                let read = folder.clone();
                let shelves = aside(move || read.shelves()).await.map_err(|error| self.fault(error.to_string()))?;
                let keys = stream::iter(shelves).then(move |shelf| {
                    let folder = folder.clone();
                    async move {
                        let keys =
                            aside(move || folder.older(&shelf, than)).await.map_err(|error| error.to_string())?;
                        Ok(keys.into_iter().filter(|key| is_own(key)).collect())
                    }
                });
                Ok(keys.boxed())
            }
            Kind::Bucket(store) => {
                let keys = store.list(None).try_filter_map(move |meta| {
                    let key = meta.location.to_string();
                    let is_old = SystemTime::from(meta.last_modified) < than;
                    std::future::ready(Ok((is_old && is_own(&key)).then_some(key)))
                });
                Ok(keys.map_err(|error| said(&error)).try_chunks(TOGETHER).map_err(|error| error.1).boxed())
            }
        }
    }

    /// What it says whose it is.
    pub(in super::super) async fn mark(&self) -> Result<Option<String>, StoreError> {
        match self.get(MARK).await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned())),
            Err(Lack::Missing) => Ok(None),
            Err(Lack::Away(error)) => {
                // The fault names the place by itself.
                let named = format!("body store {}: ", self.place);
                Err(self.fault(error.strip_prefix(&named).unwrap_or(&error)))
            }
        }
    }

    pub(in super::super) async fn set_mark(&self, id: &str) -> Result<(), StoreError> {
        self.write(MARK, format!("{id}\n").into()).await.map_err(|error| self.fault(error))
    }

    pub(in super::super) fn fault(&self, error: impl Into<String>) -> StoreError {
        StoreError::BodyStore { place: self.place.clone(), error: error.into() }
    }
}

/// One key is one writing: whoever deletes a key deletes nothing that was written later.
fn new_key(digest: Digest) -> String {
    let hex = digest.hex();
    format!("{}/{hex}-{}", hex.get(..2).unwrap_or_default(), Uuid::new_v4().simple())
}

/// Is it a key that [`new_key`] made, or a file that was not yet whole under one?
fn is_own(key: &str) -> bool {
    let is_hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let whole = key.strip_suffix(HALF).and_then(|key| key.strip_suffix('.')).unwrap_or(key);
    let parts = whole.split_once('/').and_then(|(shelf, name)| Some((shelf, name.split_once('-')?)));
    parts.is_some_and(|(shelf, (digest, writing))| {
        is_hex(digest, 64) && is_hex(shelf, 2) && digest.starts_with(shelf) && is_hex(writing, 32)
    })
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
        // One request for many is what not all have who speak S3.
        .with_disable_bulk_delete(true)
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

/// There is no such bucket: what is in it is not known to be missing.
fn is_of_bucket(error: &object_store::Error) -> bool {
    error.to_string().contains("<Code>NoSuchBucket</Code>")
}

/// What the server says, without what only programs read; what it is asked with is in none of it.
fn said(error: &object_store::Error) -> String {
    let text = error.to_string();
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(part, _)| part)
    };
    let refused =
        matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. });
    match (part("Code"), part("Message")) {
        (Some("NoSuchBucket"), _) => "there is no such bucket".to_owned(),
        (Some(code), message) if refused => {
            let message = message.unwrap_or("no reason is given");
            format!("the credentials are refused: {code}: {message}")
        }
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ if refused => format!("the credentials are refused: {text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_told_without_its_markup() {
        let check = |code: &str, expect: &str| {
            let source = format!("404 Not Found: <Error><Code>{code}</Code><Message>none</Message></Error>");
            let error = object_store::Error::NotFound { path: "a".to_owned(), source: source.into() };
            assert_eq!((said(&error).as_str(), is_of_bucket(&error)), (expect, code == "NoSuchBucket"));
        };
        check("NoSuchBucket", "there is no such bucket");
        check("NoSuchKey", "NoSuchKey: none");
    }

    #[test]
    fn only_keys_that_were_made_here_are_ours() {
        let key = new_key(Digest::of(b"a body"));
        assert!(is_own(&key) && is_own(&format!("{key}.half")));
        let other = format!("00{}", &key[2..]);
        for key in [MARK, "", "photos/2024.jpg", "ab/cd", &key[3..], &key[..key.len() - 1], &other, &format!("x/{key}")]
        {
            assert!(!is_own(key), "{key}");
        }
    }
}
