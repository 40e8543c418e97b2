//! What a publisher signs: not only the code but how it is applied, and its removal.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Digest, GroupName, KeyId, Limits, LimitsError, Name, Refusal, TagPattern, TrustedKey, Upstream, UpstreamFault,
    upstream::UPSTREAMS,
};

/// Largest statement in bytes, signature not counted.
pub(crate) const MAX_STATEMENT_BYTES: usize = 1 << 20;

/// Largest component in bytes that anybody takes.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// Longest text of a pushed configuration, bytes.
pub const MAX_CONFIGURATION_BYTES: usize = 64 << 10;

/// Most secrets of one filter.
const SECRETS: usize = 32;

/// Most rules about failures: each is asked of every exchange.
const FAILURE_RULES: usize = 16;

/// Largest number in a statement: exact in every JSON reader (RFC 8259 section 6) and in a signed 64-bit column, and far
/// enough from the end of `u64` that one more is always there.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How far a statement may be ahead of an agent's clock, milliseconds. A sequence without this bound could be put so far
/// ahead that no later statement, not even a removal, is ever newer.
const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

/// One signed decision about a filter or about the keys themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Statement {
    /// Run this filter.
    Publish(Box<Publication>),
    /// Run it no more.
    Remove(Removal),
    /// Trust this key too.
    Endorse(Endorsement),
    /// Work with these settings.
    Configure(Configuration),
}

/// Run this component, in this way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// The filter's name: its identity over its versions.
    pub name: Name,
    /// Goes up from 1 with each new artifact; an agent runs an older one only by `rollback`.
    pub version: u64,
    /// The agents it is for.
    pub group: GroupName,
    /// Later statements about one filter have a higher number: milliseconds since the Unix epoch at signing, or one
    /// more than the last, whichever is greater.
    pub sequence: u64,
    /// The publisher means to go back to an older version.
    #[serde(default)]
    pub rollback: bool,
    /// Seconds since the Unix epoch. From then on the statement is not accepted anew; what runs goes on.
    pub expires: u64,
    /// Of the component.
    pub digest: Digest,
    /// Of the component, bytes.
    pub size: u64,
    /// Which exchanges meet the filter, in the query grammar; empty for all.
    #[serde(rename = "match", default)]
    pub matching: String,
    /// Requests meet filters in ascending priority, ties by name; responses in reverse.
    #[serde(default)]
    pub priority: i32,
    /// The filter's own configuration, JSON text exactly as `configure` gets it.
    pub config: String,
    /// What an exchange gets when the filter fails.
    #[serde(default)]
    pub on_failure: FailurePolicy,
    /// Where another policy holds than `on_failure`: the first that fits a request counts. An agent that does not know this member
    /// refuses the statement and runs on what it ran: it never takes a weaker policy for the one that was meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_failure_for: Vec<FailureRule>,
    /// Whether exchanges share an instance.
    #[serde(default)]
    pub isolation: Isolation,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// What the component may import beyond `http`.
    #[serde(default)]
    pub grants: BTreeSet<Capability>,
    /// Servers that the filter may call by these names, where `callout` is granted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstreams: BTreeMap<Name, Upstream>,
    /// Tags of other filters that the filter may read, where `tags` is granted. Its own it may always.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reads: BTreeSet<TagPattern>,
    /// Secrets of the agents that the filter may use, where `secrets` is granted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<Name>,
}

/// Run the filter no more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// The filter.
    pub name: Name,
    /// The agents it is taken from.
    pub group: GroupName,
    /// As in [`Publication::sequence`].
    pub sequence: u64,
}

/// Trust this key as the signing one is trusted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// The agents that are to trust it. Without this, a key meant for one group could be shown to every group.
    pub group: GroupName,
    /// As in [`Publication::sequence`].
    pub sequence: u64,
    /// As in [`Publication::expires`]: a key once trusted stays so.
    pub expires: u64,
    /// The key.
    pub key: TrustedKey,
    /// Its id, stated so that a listing can show it.
    pub key_id: KeyId,
}

/// Work with these settings, and where they say nothing with the agent's own. Takes the place of every one before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Goes up from 1 with each configuration of the group.
    pub version: u64,
    /// The agents it is for.
    pub group: GroupName,
    /// As in [`Publication::sequence`].
    pub sequence: u64,
    /// As in [`Publication::expires`]: what is in force goes on.
    pub expires: u64,
    /// The version whose text is taken up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// TOML, with the keys of an agent's own file. What it says is for `weir-desired` to tell.
    pub text: String,
}

/// What an exchange gets when a filter fails it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// An error response: the filter may be what keeps clients out.
    #[default]
    Closed,
    /// The exchange goes on without the filter.
    Open,
    /// New exchanges meet the version before; where there is none, as `closed`.
    LastGood,
}

impl FailurePolicy {
    /// Of two the one that lets less through.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed, _) | (_, Self::Closed) => Self::Closed,
            (Self::LastGood, _) | (_, Self::LastGood) => Self::LastGood,
            (Self::Open, Self::Open) => Self::Open,
        }
    }
}

/// What some exchanges get when a filter fails them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureRule {
    /// Which exchanges, in the query grammar, as of [`Publication::matching`]; not empty.
    #[serde(rename = "match")]
    pub matching: String,
    /// What they get.
    pub on_failure: FailurePolicy,
}

/// Whether exchanges share an instance of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// One live instance per worker.
    #[default]
    Shared,
    /// A fresh instance for each exchange.
    Exchange,
}

/// An import that has to be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// `weir:filter/log`: lines for the operator.
    Log,
    /// `weir:filter/metrics`: numbers for the operator.
    Metrics,
    /// `weir:filter/clock`: the time.
    Clock,
    /// `weir:filter/random`: random numbers.
    Random,
    /// `weir:filter/kv`: a store of its own.
    Kv,
    /// `weir:filter/tags`: facts for other filters and the record.
    Tags,
    /// `weir:filter/timer`: to wait for some time.
    Timer,
    /// `weir:filter/callout`: requests to the upstreams that the publication names.
    Callout,
    /// `weir:filter/secrets`: the use of secrets that the publication names.
    Secrets,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 9] = [
        Self::Log,
        Self::Metrics,
        Self::Clock,
        Self::Random,
        Self::Kv,
        Self::Tags,
        Self::Timer,
        Self::Callout,
        Self::Secrets,
    ];

    /// Interfaces of `weir:filter` that every filter may import: they take no grant.
    pub const FREE: [&str; 2] = ["http", "limits"];

    /// The interface's name within `weir:filter`.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Kv => "kv",
            Self::Tags => "tags",
            Self::Timer => "timer",
            Self::Callout => "callout",
            Self::Secrets => "secrets",
        }
    }
}

/// The signed bytes do not say what a statement must.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Not a statement in JSON, or one with fields that this version does not know.
    #[error("the signed statement cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Over the bound.
    #[error("the statement has {0} bytes, more than {MAX_STATEMENT_BYTES}")]
    TooLarge(usize),
    /// A bound out of range.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The configuration is not JSON.
    #[error("config is not JSON: {0}")]
    Config(serde_json::Error),
    /// A server that no filter can call.
    #[error("upstreams.{name}: {fault}")]
    Upstream {
        /// Its name.
        name: Name,
        /// What is wrong with it.
        fault: UpstreamFault,
    },
    /// Too many servers.
    #[error("upstreams: {0}, more than {UPSTREAMS}")]
    Upstreams(usize),
    /// Too many rules about failures.
    #[error("on_failure_for: {0} rules, more than {FAILURE_RULES}")]
    FailureRules(usize),
    /// A rule about failures that fits everything.
    #[error("on_failure_for: a rule without a query: that is what on_failure is for")]
    FailureRule,
    /// Too many secrets.
    #[error("secrets: {0}, more than {SECRETS}")]
    Secrets(usize),
    /// A number that some reader would get wrong.
    #[error("{field} is {value}: it must be {low} to {MAX_NUMBER}")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least it may be.
        low: u64,
    },
    /// More than any agent takes.
    #[error("the component has {0} bytes, more than {MAX_COMPONENT_BYTES}")]
    ComponentTooLarge(u64),
    /// More than any agent takes.
    #[error("the configuration has {0} bytes, more than {MAX_CONFIGURATION_BYTES}")]
    ConfigurationTooLarge(usize),
    /// The key and the stated id differ.
    #[error("the endorsed key is not {0}")]
    KeyId(KeyId),
}

impl Statement {
    /// Reads and checks a statement.
    ///
    /// # Errors
    /// What is wrong with it, field and reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT_BYTES {
            return Err(StatementError::TooLarge(bytes.len()));
        }
        let statement: Self = serde_json::from_slice(bytes)?;
        check_number("sequence", statement.sequence(), 1)?;
        match &statement {
            Self::Publish(publication) => {
                check_number("version", publication.version, 1)?;
                check_number("expires", publication.expires, 0)?;
                publication.check()?;
            }
            Self::Endorse(Endorsement { key, key_id, expires, .. }) => {
                check_number("expires", *expires, 0)?;
                if key.id() != *key_id {
                    return Err(StatementError::KeyId(key_id.clone()));
                }
            }
            Self::Configure(Configuration { version, expires, restores, text, .. }) => {
                check_number("version", *version, 1)?;
                check_number("expires", *expires, 0)?;
                check_number("restores", restores.unwrap_or(1), 1)?;
                if text.len() > MAX_CONFIGURATION_BYTES {
                    return Err(StatementError::ConfigurationTooLarge(text.len()));
                }
            }
            Self::Remove(_) => {}
        }
        Ok(statement)
    }

    /// The bytes that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement has string keys only")
    }

    /// The agents it is for.
    pub fn group(&self) -> &GroupName {
        match self {
            Self::Publish(p) => &p.group,
            Self::Remove(r) => &r.group,
            Self::Endorse(e) => &e.group,
            Self::Configure(c) => &c.group,
        }
    }

    /// When it was made, in milliseconds since the Unix epoch or a little more: see [`Publication::sequence`].
    pub fn sequence(&self) -> u64 {
        match self {
            Self::Publish(p) => p.sequence,
            Self::Remove(r) => r.sequence,
            Self::Endorse(e) => e.sequence,
            Self::Configure(c) => c.sequence,
        }
    }

    /// Is it for this group, and not from the future (`now`: seconds since the Unix epoch)?
    pub(crate) fn check_reach(&self, ours: &GroupName, now: u64) -> Result<(), Refusal> {
        if self.group() != ours {
            return Err(Refusal::Group { ours: ours.clone(), theirs: self.group().clone() });
        }
        let latest = now.saturating_mul(1000).saturating_add(MAX_AHEAD_MS);
        if self.sequence() > latest {
            return Err(Refusal::Future { offered: self.sequence(), latest });
        }
        Ok(())
    }

    /// The filter it is about; none for a statement about keys or settings.
    pub fn subject(&self) -> Option<(&GroupName, &Name, u64)> {
        match self {
            Self::Publish(p) => Some((&p.group, &p.name, p.sequence)),
            Self::Remove(r) => Some((&r.group, &r.name, r.sequence)),
            Self::Endorse(_) | Self::Configure(_) => None,
        }
    }
}

impl Publication {
    /// How a component of this name runs of which nothing is said: every default, and no grants. For files that are trusted
    /// as they are; digest and size are taken from the bytes by [`crate::Artifact::from_trusted_file`].
    pub fn unsigned(name: Name) -> Self {
        Self {
            name,
            version: 1,
            group: GroupName::default(),
            sequence: 0,
            rollback: false,
            expires: u64::MAX,
            digest: Digest::of(b""),
            size: 0,
            matching: String::new(),
            priority: 0,
            config: "{}".to_owned(),
            on_failure: FailurePolicy::default(),
            on_failure_for: Vec::new(),
            isolation: Isolation::default(),
            limits: Limits::default(),
            grants: BTreeSet::new(),
            upstreams: BTreeMap::new(),
            reads: BTreeSet::new(),
            secrets: BTreeSet::new(),
        }
    }

    /// Every policy that some exchange may get.
    fn policies(&self) -> impl Iterator<Item = FailurePolicy> {
        self.on_failure_for.iter().map(|rule| rule.on_failure).chain([self.on_failure])
    }

    /// Whether the version before is needed: for some exchange the policy is `last-good`.
    pub fn falls_back(&self) -> bool {
        self.policies().any(|policy| policy == FailurePolicy::LastGood)
    }

    /// Whether there are exchanges that do not go on without the filter.
    pub fn is_strict(&self) -> bool {
        self.policies().any(|policy| policy != FailurePolicy::Open)
    }

    /// Checks size, bounds, configuration, upstreams and the number of secrets; names and digest are right by their types.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), StatementError> {
        self.limits.check()?;
        if self.size > MAX_COMPONENT_BYTES {
            return Err(StatementError::ComponentTooLarge(self.size));
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&self.config).map_err(StatementError::Config)?;
        if self.upstreams.len() > UPSTREAMS {
            return Err(StatementError::Upstreams(self.upstreams.len()));
        }
        for (name, upstream) in &self.upstreams {
            upstream.check().map_err(|fault| StatementError::Upstream { name: name.clone(), fault })?;
        }
        if self.on_failure_for.len() > FAILURE_RULES {
            return Err(StatementError::FailureRules(self.on_failure_for.len()));
        }
        if self.on_failure_for.iter().any(|rule| rule.matching.trim().is_empty()) {
            return Err(StatementError::FailureRule);
        }
        if self.secrets.len() > SECRETS {
            return Err(StatementError::Secrets(self.secrets.len()));
        }
        Ok(())
    }
}

fn check_number(field: &'static str, value: u64, low: u64) -> Result<(), StatementError> {
    if (low..=MAX_NUMBER).contains(&value) { Ok(()) } else { Err(StatementError::Number { field, value, low }) }
}
