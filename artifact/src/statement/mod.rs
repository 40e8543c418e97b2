//! What a publisher signs: not only the code but how it is applied, and its removal.

mod capability;
mod error;
mod policy;
mod publication;

use serde::{Deserialize, Serialize};

pub use self::{
    capability::Capability,
    error::StatementError,
    policy::{FailurePolicy, FailureRule, Isolation},
    publication::Publication,
};
use crate::{GroupName, KeyId, Name, Refusal, TrustedKey};

/// Largest statement in bytes, signature not counted.
pub(crate) const MAX_STATEMENT_BYTES: usize = 1 << 20;

/// Largest component in bytes that anybody takes.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// Longest text of a pushed configuration, bytes.
pub const MAX_CONFIGURATION_BYTES: usize = 64 << 10;

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

fn check_number(field: &'static str, value: u64, low: u64) -> Result<(), StatementError> {
    if (low..=MAX_NUMBER).contains(&value) { Ok(()) } else { Err(StatementError::Number { field, value, low }) }
}
