//! A component and how it is run: what a publisher signs of a filter.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Capability, FailurePolicy, FailureRule, Isolation, MAX_COMPONENT_BYTES, StatementError};
use crate::{Digest, GroupName, Limits, Name, TagPattern, Upstream, upstream::UPSTREAMS};

/// Most secrets of one filter.
pub(super) const SECRETS: usize = 32;

/// Most rules about failures: each is asked of every exchange.
pub(super) const FAILURE_RULES: usize = 16;

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
