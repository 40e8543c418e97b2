//! Where large bodies are kept: a folder, a bucket that speaks S3, or the database. What it takes to get in is read from
//! the environment or a file, and never shown.

use std::{env, fmt, fs, path::PathBuf};

use reqwest::Url;
use serde::Deserialize;

use crate::disk;

/// Where, and from which size on.
#[derive(Debug, Clone)]
pub struct BodyConfig {
    /// The body store.
    pub place: BodyPlace,
    /// Bodies that take less than this, packed, are kept in the database.
    pub from_bytes: usize,
}

/// A body store that can be opened.
#[derive(Debug, Clone)]
pub enum BodyPlace {
    /// There is none: all bodies are in the database.
    Database,
    /// A folder, which several orchestrators may share.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Bucket),
}

/// A bucket that speaks S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(crate) name: String,
    /// What keys begin with; may be empty.
    pub(crate) prefix: String,
    /// Other than Amazon's.
    pub(crate) endpoint: Option<String>,
    pub(crate) region: String,
    /// The endpoint is plain HTTP.
    pub(crate) plain: bool,
    pub(crate) credentials: Credentials,
}

/// What a request is signed with.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl fmt::Display for BodyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("database"),
            Self::Folder(folder) => write!(f, "file://{}", folder.display()),
            Self::Bucket(bucket) if bucket.prefix.is_empty() => write!(f, "s3://{}", bucket.name),
            Self::Bucket(bucket) => write!(f, "s3://{}/{}", bucket.name, bucket.prefix),
        }
    }
}

/// Flags that say where large bodies are kept. Each is also a key of the file and a variable.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BodyStoreArgs {
    /// Where large bodies are kept: file:///FOLDER, s3://BUCKET/PREFIX, or `database` [default: DATA_DIR/bodies with SQLite, the
    /// database with PostgreSQL]
    #[arg(long, env = "WEIR_BODY_STORE", value_name = "URL")]
    pub body_store: Option<String>,
    /// Bodies that take less than this, packed, are kept in the database [default: 131072]
    #[arg(long, env = "WEIR_BODY_STORE_FROM_BYTES", value_name = "BYTES")]
    pub body_store_from_bytes: Option<u64>,
    /// Where the bucket is asked for, if not at Amazon: https://HOST
    #[arg(long, env = "WEIR_BODY_STORE_ENDPOINT", value_name = "URL")]
    pub body_store_endpoint: Option<String>,
    /// Region of the bucket [default: AWS_REGION, us-east-1]
    #[arg(long, env = "WEIR_BODY_STORE_REGION", value_name = "NAME")]
    pub body_store_region: Option<String>,
    /// TOML file with access_key_id and secret_access_key of the bucket [default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY]
    #[arg(long, env = "WEIR_BODY_STORE_CREDENTIALS", value_name = "FILE")]
    pub body_store_credentials: Option<PathBuf>,
}

/// The key that is wrong, and what is wrong with it.
pub(crate) type Fault = (&'static str, String);

impl BodyStoreArgs {
    /// These, and where they are silent those of `file`.
    pub(crate) fn over(self, file: Self) -> Self {
        Self {
            body_store: self.body_store.or(file.body_store),
            body_store_from_bytes: self.body_store_from_bytes.or(file.body_store_from_bytes),
            body_store_endpoint: self.body_store_endpoint.or(file.body_store_endpoint),
            body_store_region: self.body_store_region.or(file.body_store_region),
            body_store_credentials: self.body_store_credentials.or(file.body_store_credentials),
        }
    }

    /// The body store, which is `default` when none is named.
    pub(crate) fn place(mut self, default: BodyPlace) -> Result<BodyPlace, Fault> {
        let url = self.body_store.take();
        let place = match url.as_deref() {
            None => default,
            Some("database") => BodyPlace::Database,
            Some(url) => match url.split_once("://") {
                Some(("s3", rest)) => return self.bucket(rest).map(BodyPlace::Bucket),
                Some(("file", folder)) if folder.starts_with('/') => BodyPlace::Folder(folder.into()),
                _ => {
                    let reason = "neither file:///FOLDER nor s3://BUCKET/PREFIX nor `database`";
                    return Err(("body_store", reason.to_owned()));
                }
            },
        };
        for (key, is_given) in [
            ("body_store_endpoint", self.body_store_endpoint.is_some()),
            ("body_store_region", self.body_store_region.is_some()),
            ("body_store_credentials", self.body_store_credentials.is_some()),
        ] {
            if is_given {
                return Err((key, "only a body store s3://BUCKET has one".to_owned()));
            }
        }
        Ok(place)
    }

    fn bucket(self, rest: &str) -> Result<Bucket, Fault> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(("body_store", "name a bucket, such as s3://weir-bodies/production".to_owned()));
        }
        let plain = match &self.body_store_endpoint {
            None => false,
            Some(endpoint) => is_plain(endpoint).map_err(|reason| ("body_store_endpoint", reason))?,
        };
        let region =
            self.body_store_region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        Ok(Bucket {
            name: name.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            endpoint: self.body_store_endpoint,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            plain,
            credentials: credentials(self.body_store_credentials)?,
        })
    }
}

/// Is it plain HTTP, which only this machine may be asked in?
fn is_plain(endpoint: &str) -> Result<bool, String> {
    let url = Url::parse(endpoint).map_err(|error| format!("no URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials have no place in it: see body_store_credentials".to_owned());
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    match url.scheme() {
        "https" => Ok(false),
        "http" if is_near => Ok(true),
        "http" => Err("plain HTTP to another machine would show what was recorded: use https".to_owned()),
        _ => Err("neither https:// nor, on this machine, http://".to_owned()),
    }
}

/// From the file, or as the tools of others have them.
fn credentials(file: Option<PathBuf>) -> Result<Credentials, Fault> {
    const KEY: &str = "body_store_credentials";
    if let Some(file) = file {
        let fault = |reason: String| (KEY, format!("{}: {reason}", file.display()));
        match disk::exposure(&file) {
            Err(error) => return Err(fault(error.to_string())),
            Ok(Some(mode)) => return Err(fault(format!("others can read it (mode {mode:o}): chmod 600"))),
            Ok(None) => {}
        }
        let text = fs::read_to_string(&file).map_err(|error| fault(error.to_string()))?;
        // What the parser says may show what stands there.
        let parsed = toml::from_str(&text);
        return parsed.map_err(|_| {
            fault("it has to be TOML with access_key_id, secret_access_key and, maybe, session_token".to_owned())
        });
    }
    match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Credentials { access_key_id, secret_access_key, session_token: variable("AWS_SESSION_TOKEN") })
        }
        _ => Err((KEY, "name a file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned())),
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
