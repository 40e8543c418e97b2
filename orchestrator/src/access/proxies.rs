//! Proxies before this server whose word on who asks counts.

use std::net::IpAddr;

use axum::http::{HeaderName, header};
use clap::ValueEnum;
use serde::Deserialize;

use super::Network;

/// Where they say it. One field, that each of them sets or adds to: what it leaves as it came, the client has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For: ADDRESS, ADDRESS`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=ADDRESS, for=ADDRESS` (RFC 7239)
    Forwarded,
}

/// Who is believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Nobody by default.
    pub trusted: Vec<Network>,
    /// What they say.
    pub header: ProxyHeader,
}

impl ProxyHeader {
    pub(crate) fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }
}

impl Proxies {
    /// Is this one of them?
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.has(address))
    }
}
