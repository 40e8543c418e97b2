//! Nothing goes back by itself: the high-water mark of every filter, kept by the agent across restarts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, GroupName, KeyId, Name, Signed, Statement};

/// The newest statement about a filter that was admitted.
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

/// High-water marks by group and filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ratchet(BTreeMap<(GroupName, Name), Mark>);

impl Ratchet {
    /// Marks read back from where they were kept.
    pub fn restore(marks: impl IntoIterator<Item = (GroupName, Name, Mark)>) -> Self {
        Self(marks.into_iter().map(|(group, name, mark)| ((group, name), mark)).collect())
    }

    /// The marks, to be kept.
    pub fn marks(&self) -> impl Iterator<Item = (&GroupName, &Name, Mark)> {
        self.0.iter().map(|((group, name), mark)| (group, name, *mark))
    }

    /// The mark of one filter.
    pub fn mark(&self, group: &GroupName, name: &Name) -> Option<Mark> {
        self.0.get(&(group.clone(), name.clone())).copied()
    }

    /// May the statement be acted on by an agent of this group at this time (seconds since the Unix epoch)? The one
    /// that set the mark may come again: that is the state an agent is already in. Changes nothing; see [`Self::advance`].
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, signed: &Signed, ours: &GroupName, now: u64) -> Result<(), Refusal> {
        let mark = signed.statement().subject().and_then(|(group, name, _)| self.mark(group, name));
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
        let Statement::Publish(publication) = signed.statement() else { return Ok(()) };
        if publication.expires <= now {
            return Err(Refusal::Expired(publication.expires));
        }
        match mark {
            Some(mark) if publication.version <= mark.version && !publication.rollback => {
                Err(Refusal::VersionBack { offered: publication.version, admitted: mark.version })
            }
            _ => Ok(()),
        }
    }

    /// Moves the mark up to an admitted statement: when the filter is active, or removed. A mark outlives the removal of
    /// its filter, or what was removed could be brought back.
    pub fn advance(&mut self, signed: &Signed) {
        let Some((group, name, sequence)) = signed.statement().subject() else { return };
        let version = match signed.statement() {
            Statement::Publish(publication) => publication.version,
            Statement::Remove(_) | Statement::Endorse(_) => 0,
        };
        let offered = Mark { sequence, statement: signed.digest(), version };
        let mark = self.0.entry((group.clone(), name.clone())).or_insert(offered);
        if sequence > mark.sequence {
            *mark = Mark { version: version.max(mark.version), ..offered };
        }
    }
}
