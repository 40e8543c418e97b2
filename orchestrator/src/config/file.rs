//! The file: its keys, and where in it one of them is.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ConfigError, FaceArgs, OidcArgs, TlsMode};
use crate::{access::ProxyHeader, body_store::BodyStoreArgs, database::DatabaseUrl};

/// Keys of the file: those of [`super::ServeArgs`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) rest: Option<SocketAddr>,
    pub(super) grpc: Option<SocketAddr>,
    pub(super) database_url: Option<DatabaseUrl>,
    pub(super) body_store: Option<String>,
    pub(super) body_store_from_bytes: Option<u64>,
    pub(super) body_store_endpoint: Option<String>,
    pub(super) body_store_region: Option<String>,
    pub(super) body_store_credentials: Option<PathBuf>,
    pub(super) names: Option<Vec<String>>,
    pub(super) rest_tls: Option<TlsMode>,
    pub(super) rest_tls_cert: Option<PathBuf>,
    pub(super) rest_tls_key: Option<PathBuf>,
    pub(super) allow_remote_plain_rest: Option<bool>,
    pub(super) cors_origins: Option<Vec<String>>,
    pub(super) rate_limit: Option<u32>,
    pub(super) sign_in_limit: Option<u32>,
    pub(super) connection_limit: Option<u32>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) proxy_header: Option<ProxyHeader>,
    pub(super) oidc_issuer: Option<String>,
    pub(super) oidc_audiences: Option<Vec<String>>,
    pub(super) oidc_roles: Option<Vec<String>>,
    pub(super) oidc_roles_claim: Option<String>,
    pub(super) oidc_areas: Option<Vec<String>>,
    pub(super) oidc_areas_claim: Option<String>,
    pub(super) oidc_name_claim: Option<String>,
    pub(super) oidc_ca: Option<PathBuf>,
    pub(super) retention_hours: Option<u64>,
    pub(super) retention_exchanges: Option<u64>,
    pub(super) retention_bytes: Option<u64>,
    pub(super) retention_metrics_hours: Option<u64>,
    pub(super) retention_metrics_minutes_days: Option<u64>,
    pub(super) retention_metrics_hours_days: Option<u64>,
    pub(super) max_component_bytes: Option<u64>,
    pub(super) max_queued_bytes: Option<u64>,
    pub(super) agent_certificate: Option<String>,
    pub(super) interception_certificate: Option<String>,
}

impl File {
    /// How people meet REST.
    pub(super) fn face(&mut self) -> FaceArgs {
        FaceArgs {
            rest_tls: self.rest_tls.take(),
            rest_tls_cert: self.rest_tls_cert.take(),
            rest_tls_key: self.rest_tls_key.take(),
            allow_remote_plain_rest: self.allow_remote_plain_rest,
            cors_origins: self.cors_origins.take(),
            rate_limit: self.rate_limit,
            sign_in_limit: self.sign_in_limit,
            connection_limit: self.connection_limit,
            trusted_proxies: self.trusted_proxies.take(),
            proxy_header: self.proxy_header.take(),
            oidc: OidcArgs {
                oidc_issuer: self.oidc_issuer.take(),
                oidc_audiences: self.oidc_audiences.take(),
                oidc_roles: self.oidc_roles.take(),
                oidc_roles_claim: self.oidc_roles_claim.take(),
                oidc_areas: self.oidc_areas.take(),
                oidc_areas_claim: self.oidc_areas_claim.take(),
                oidc_name_claim: self.oidc_name_claim.take(),
                oidc_ca: self.oidc_ca.take(),
            },
        }
    }

    /// Where bodies are.
    pub(super) fn bodies(&mut self) -> BodyStoreArgs {
        BodyStoreArgs {
            body_store: self.body_store.take(),
            body_store_from_bytes: self.body_store_from_bytes,
            body_store_endpoint: self.body_store_endpoint.take(),
            body_store_region: self.body_store_region.take(),
            body_store_credentials: self.body_store_credentials.take(),
        }
    }
}

/// Its text, and what it sets.
pub(super) fn read(file: &Path) -> Result<(String, File), ConfigError> {
    let text = fs::read_to_string(file).map_err(|error| ConfigError::Read { file: file.to_owned(), error })?;
    let parsed = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let key = error.span().and_then(|span| text.get(span)).filter(|key| key.len() < 64 && !key.contains('\n'));
        let message = match key {
            Some(key) if !error.message().contains(key) => format!("{} (`{key}`)", error.message()),
            _ => error.message().to_owned(),
        };
        let key = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
        let message = match key {
            Some(key) if !message.contains(key) => format!("{key}: {message}"),
            _ => message,
        };
        ConfigError::File { file: file.to_owned(), line, message }
    })?;
    Ok((text, parsed))
}

/// Where the file sets the key; it has no tables, so a line says it.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| line.split_once('=').is_some_and(|(left, _)| left.trim().trim_matches('"') == key);
    text.lines().position(sets).map(|line| line + 1)
}
