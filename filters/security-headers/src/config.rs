//! The configuration as it is written, and the fields that come of it. `schema.json` says the same to editors.

use serde::Deserialize;
use weir_sdk::{Problems, field, latin1, matching::ScopeConfig};

use crate::preset::Preset;

/// A preset, and what differs from it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `strict` or `api`; nothing unless given.
    pub preset: Option<Preset>,
    /// What happens to fields that the origin set.
    pub existing: Existing,
    /// Strict-Transport-Security (RFC 6797), or `false`.
    pub hsts: Option<HstsSetting>,
    /// Content-Security-Policy, or `false`.
    pub csp: Option<Setting>,
    /// Content-Security-Policy-Report-Only.
    pub csp_report_only: Option<Setting>,
    /// X-Content-Type-Options: nosniff.
    pub nosniff: Option<bool>,
    /// Referrer-Policy.
    pub referrer_policy: Option<Setting>,
    /// Permissions-Policy.
    pub permissions_policy: Option<Setting>,
    /// Cross-Origin-Opener-Policy.
    pub opener_policy: Option<Setting>,
    /// Cross-Origin-Embedder-Policy.
    pub embedder_policy: Option<Setting>,
    /// Cross-Origin-Resource-Policy.
    pub resource_policy: Option<Setting>,
    /// X-Frame-Options, for browsers that do not know `frame-ancestors`.
    pub frame_options: Option<Setting>,
    /// Fields to remove.
    pub remove: Vec<String>,
    /// Only responses to these requests; all unless given.
    #[serde(rename = "match")]
    pub scope: ScopeConfig,
}

/// What happens to a field that the origin set itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// The filter's takes its place.
    #[default]
    Overwrite,
    /// It stays.
    Keep,
}

/// A value in place of the preset's, or `false` for none.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// `false`; `true` is a fault.
    Off(bool),
    /// The field's value.
    Value(String),
}

/// `false`, or what Strict-Transport-Security says.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum HstsSetting {
    /// `false`; `true` is a fault.
    Off(bool),
    /// In parts.
    On(Hsts),
}

/// Strict-Transport-Security (RFC 6797 section 6.1).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsts {
    /// Seconds that browsers remember it.
    pub max_age: u64,
    /// Names below, too.
    #[serde(default)]
    pub include_subdomains: bool,
    /// The owner agrees to the lists that browsers ship.
    #[serde(default)]
    pub preload: bool,
}

/// Seconds that <https://hstspreload.org> asks for at least.
const PRELOAD_AGE: u64 = 31_536_000;

const RESOURCE_POLICIES: [&str; 3] = ["same-origin", "same-site", "cross-origin"];
const OPENER_POLICIES: [&str; 4] = ["same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"];
const EMBEDDER_POLICIES: [&str; 3] = ["require-corp", "credentialless", "unsafe-none"];
const FRAME_OPTIONS: [&str; 2] = ["DENY", "SAMEORIGIN"];
const REFERRER_POLICIES: [&str; 8] = [
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
];

impl Config {
    /// Every field but Strict-Transport-Security.
    pub(crate) fn fields(&self, problems: &mut Problems) -> Vec<(&'static str, String)> {
        let texts: [(&str, &str, &Option<Setting>, &[&str]); 8] = [
            ("content-security-policy", "csp", &self.csp, &[]),
            ("content-security-policy-report-only", "csp_report_only", &self.csp_report_only, &[]),
            ("referrer-policy", "referrer_policy", &self.referrer_policy, &REFERRER_POLICIES),
            ("permissions-policy", "permissions_policy", &self.permissions_policy, &[]),
            ("cross-origin-opener-policy", "opener_policy", &self.opener_policy, &OPENER_POLICIES),
            ("cross-origin-embedder-policy", "embedder_policy", &self.embedder_policy, &EMBEDDER_POLICIES),
            ("cross-origin-resource-policy", "resource_policy", &self.resource_policy, &RESOURCE_POLICIES),
            ("x-frame-options", "frame_options", &self.frame_options, &FRAME_OPTIONS),
        ];
        let mut fields = Vec::with_capacity(texts.len() + 1);
        for (name, key, setting, known) in texts {
            match setting {
                Some(Setting::Value(value)) => {
                    check(value, known, &format!("/{key}"), problems);
                    fields.push((name, latin1::from_utf8(value)));
                }
                Some(Setting::Off(is_on)) => must_be_off(*is_on, &format!("/{key}"), problems),
                None => fields.extend(self.preset.and_then(|preset| preset.value(name)).map(|v| (name, v.to_owned()))),
            }
        }
        if self.nosniff.unwrap_or(self.preset.is_some()) {
            fields.push(("x-content-type-options", "nosniff".to_owned()));
        }
        for (index, name) in self.remove.iter().enumerate() {
            if let Err(fault) = field::check_name(name) {
                problems.push(format!("/remove/{index}"), fault);
            }
        }
        fields
    }

    /// Strict-Transport-Security.
    pub(crate) fn hsts(&self, problems: &mut Problems) -> Option<String> {
        let hsts = match &self.hsts {
            Some(HstsSetting::On(hsts)) => *hsts,
            Some(HstsSetting::Off(is_on)) => {
                must_be_off(*is_on, "/hsts", problems);
                return None;
            }
            None => self.preset?.hsts(),
        };
        if hsts.preload && (hsts.max_age < PRELOAD_AGE || !hsts.include_subdomains) {
            problems.push("/hsts", format!("`preload` needs `include_subdomains` and a `max_age` of {PRELOAD_AGE}"));
        }
        let mut value = format!("max-age={}", hsts.max_age);
        if hsts.include_subdomains {
            value.push_str("; includeSubDomains");
        }
        if hsts.preload {
            value.push_str("; preload");
        }
        Some(value)
    }
}

fn check(value: &str, known: &[&str], at: &str, problems: &mut Problems) {
    if let Err(fault) = field::check_value(value) {
        problems.push(at, fault);
        return;
    }
    // Policies are lists: of referrer policies, browsers take the last that they know. Others may have parameters.
    let words = value.split(',').map(|word| word.split(';').next().unwrap_or(word).trim());
    for word in words.filter(|_| !known.is_empty()) {
        if !known.iter().any(|name| name.eq_ignore_ascii_case(word)) {
            problems.push(at, format!("browsers know no `{}`: {}", word.escape_debug(), known.join(", ")));
        }
    }
    if value.is_empty() {
        problems.push(at, "an empty value protects nobody: `false` leaves the field out");
    }
}

fn must_be_off(is_on: bool, at: &str, problems: &mut Problems) {
    if is_on {
        problems.push(at, "`true` says no value: give one, or `false` to leave the field out");
    }
}
