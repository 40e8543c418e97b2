//! Sets of fields to begin with. What they say is in the README, too.

use serde::Deserialize;

use crate::config::Hsts;

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// For sites whose pages load from their own origin only.
    Strict,
    /// For what answers programs, and pages only by CORS.
    Api,
}

const TWO_YEARS: u64 = 63_072_000;

impl Preset {
    pub(crate) fn hsts(self) -> Hsts {
        Hsts { max_age: TWO_YEARS, include_subdomains: self == Self::Strict, preload: false }
    }

    pub(crate) fn value(self, field: &str) -> Option<&'static str> {
        Some(match (self, field) {
            (Self::Strict, "content-security-policy") => {
                "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
            }
            (Self::Api, "content-security-policy") => "default-src 'none'; frame-ancestors 'none'",
            (_, "referrer-policy") => "no-referrer",
            (Self::Strict, "permissions-policy") => {
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()"
            }
            (Self::Strict, "cross-origin-opener-policy") => "same-origin",
            (Self::Strict, "cross-origin-embedder-policy") => "require-corp",
            (_, "cross-origin-resource-policy") => "same-origin",
            (_, "x-frame-options") => "DENY",
            _ => return None,
        })
    }
}
