//! Nothing goes back by itself: the high-water mark of every filter and of the configuration, kept by the agent across
//! restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, GroupName, KeyId, Name, Signed, Statement};

/// The newest statement about a filter, or about the configuration, that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of the newest statement.
    pub sequence: u64,
    /// Of the newest statement's bytes.
    pub statement: Digest,
    /// Highest version that was ever published.
    pub version: u64,
}

/// Why a well-signed statement is not acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Meant for others.
    #[error("the statement is for group `{theirs}`, this agent is in `{ours}`")]
    Group {
        /// The agent's group.
        ours: GroupName,
        /// The statement's group.
        theirs: GroupName,
    },
    /// An older statement than one already admitted.
    #[error("statement {offered} is older than {admitted}, which was admitted before: a replay")]
    Replayed {
        /// Its sequence.
        offered: u64,
        /// The mark's sequence.
        admitted: u64,
    },
    /// Made at the very time of another statement about the filter, or to take its place.
    #[error("statement {0} is another than the one of that number admitted before: sign it again")]
    Conflict(u64),
    /// Further ahead of the agent's clock than clocks differ.
    #[error("statement {offered} is from the future (latest {latest}): the publisher's clock or this agent's is wrong")]
    Future {
        /// Its sequence.
        offered: u64,
        /// The highest that would be admitted now.
        latest: u64,
    },
    /// The endorsing key is not trusted by whom the endorsement was shown to.
    #[error("endorsed by key {0}, which is not trusted here")]
    Endorser(KeyId),
    /// An older version without a rollback.
    #[error("version {offered} is not above {admitted} and the statement is no rollback")]
    VersionBack {
        /// Its version.
        offered: u64,
        /// The mark's version.
        admitted: u64,
    },
    /// Too old to be accepted anew.
    #[error("the statement expired at {0} (seconds since the Unix epoch)")]
    Expired(u64),
}

/// High-water marks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ratchet {
    /// By group and filter.
    filters: BTreeMap<(GroupName, Name), Mark>,
    /// Of each group.
    configurations: BTreeMap<GroupName, Mark>,
}

impl Ratchet {
    /// Marks of filters read back from where they were kept.
    pub fn restore(marks: impl IntoIterator<Item = (GroupName, Name, Mark)>) -> Self {
        let filters = marks.into_iter().map(|(group, name, mark)| ((group, name), mark)).collect();
        Self { filters, configurations: BTreeMap::new() }
    }

    /// With marks of configurations, read back too.
    #[must_use]
    pub fn with_configurations(mut self, marks: impl IntoIterator<Item = (GroupName, Mark)>) -> Self {
        self.configurations.extend(marks);
        self
    }

    /// The marks of configurations, to be kept.
    pub fn configuration_marks(&self) -> impl Iterator<Item = (&GroupName, Mark)> {
        self.configurations.iter().map(|(group, mark)| (group, *mark))
    }

    /// The marks of filters, to be kept.
    pub fn marks(&self) -> impl Iterator<Item = (&GroupName, &Name, Mark)> {
        self.filters.iter().map(|((group, name), mark)| (group, name, *mark))
    }

    /// The mark of one filter.
    pub fn mark(&self, group: &GroupName, name: &Name) -> Option<Mark> {
        self.filters.get(&(group.clone(), name.clone())).copied()
    }

    fn mark_of(&self, statement: &Statement) -> Option<Mark> {
        match statement {
            Statement::Configure(configuration) => self.configurations.get(&configuration.group).copied(),
            other => other.subject().and_then(|(group, name, _)| self.mark(group, name)),
        }
    }

    /// May the statement be acted on by an agent of this group at this time (seconds since the Unix epoch)? The one
    /// that set the mark may come again: that is the state an agent is already in. Changes nothing; see [`Self::advance`].
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, signed: &Signed, ours: &GroupName, now: u64) -> Result<(), Refusal> {
        let mark = self.mark_of(signed.statement());
        let sequence = signed.statement().sequence();
        if let Some(mark) = mark
            && signed.statement().group() == ours
            && sequence == mark.sequence
        {
            // Whatever the clock says: that is the state the agent is in.
            return if mark.statement == signed.digest() { Ok(()) } else { Err(Refusal::Conflict(sequence)) };
        }
        signed.statement().check_reach(ours, now)?;
        if let Some(mark) = mark
            && sequence < mark.sequence
        {
            return Err(Refusal::Replayed { offered: sequence, admitted: mark.sequence });
        }
        let (version, expires, may_go_back) = match signed.statement() {
            Statement::Publish(publication) => (publication.version, publication.expires, publication.rollback),
            Statement::Configure(configuration) => (configuration.version, configuration.expires, false),
            Statement::Remove(_) | Statement::Endorse(_) => return Ok(()),
        };
        if expires <= now {
            return Err(Refusal::Expired(expires));
        }
        match mark {
            Some(mark) if version <= mark.version && !may_go_back => {
                Err(Refusal::VersionBack { offered: version, admitted: mark.version })
            }
            _ => Ok(()),
        }
    }

    /// Moves the mark up to an admitted statement: when the filter is active, or removed, or the configuration in force. A
    /// mark outlives the removal of its filter, or what was removed could be brought back.
    pub fn advance(&mut self, signed: &Signed) {
        let statement = signed.statement();
        let (version, sequence) = match statement {
            Statement::Publish(publication) => (publication.version, publication.sequence),
            Statement::Remove(removal) => (0, removal.sequence),
            Statement::Configure(configuration) => (configuration.version, configuration.sequence),
            Statement::Endorse(_) => return,
        };
        let offered = Mark { sequence, statement: signed.digest(), version };
        let mark = match (statement, statement.subject()) {
            (_, Some((group, name, _))) => self.filters.entry((group.clone(), name.clone())).or_insert(offered),
            (statement, None) => self.configurations.entry(statement.group().clone()).or_insert(offered),
        };
        if sequence > mark.sequence {
            *mark = Mark { version: version.max(mark.version), ..offered };
        }
    }
}
