//! A desired state enters; of the statements about each filter one goes its way through `stages`; what is active, what is kept on disk and
//! the answer to the orchestrator leave. What was active stays so wherever a statement is refused. A filter that a state
//! does not mention stays too: only its publisher can take it out.

mod restore;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use tonic::transport::Channel;
use weir_artifact::{Envelope, GroupName, KeyId, Name, Publication, Statement, TrustedKeys};
use weir_proto::v1::{self, Applied, DesiredState};

use super::{
    Components, Endorsed, Kept, LastGood, LastGoodError, configure,
    outcomes::Outcomes,
    stages::{Admitted, Label, Received, Refused, Verified, label},
};
use crate::{filters::Source, worker::Shared};

/// What decides about the filters of this agent. One at a time: `&mut` keeps two states from mixing.
pub struct Applier {
    shared: Arc<Shared>,
    group: GroupName,
    keys: TrustedKeys,
    kept: Kept,
    /// nothing was ever applied
    fresh: bool,
    /// what is on disk is what is here
    is_kept: bool,
    /// of a filter that lets nothing pass without it, no version runs
    lacks_one: bool,
    /// version of the configuration in force, 0 for none
    in_force: u64,
    components: Components,
    last_good: LastGood,
}

/// The agent's own store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ApplierError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Folder(PathBuf, io::Error),
    #[error(transparent)]
    LastGood(#[from] LastGoodError),
}

impl Applier {
    /// The revision that the agent runs; 0 for none.
    pub fn revision(&self) -> u64 {
        self.kept.revision
    }

    /// Does every filter run, in some version, that lets no exchange pass without it?
    pub fn is_whole(&self) -> bool {
        !self.lacks_one
    }

    /// Is what runs on disk too? If not, applying the state again tries once more.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Acts on the state, then keeps the outcome on disk.
    ///
    /// Of each publisher the orchestrator sends the newest statement about a filter. Only those of trusted keys count,
    /// and of these the newest that can be admitted is acted on; the others are answered for and change nothing.
    ///
    /// No client is served (until this has been so once) while a filter does not run that a trusted publisher wants on
    /// every exchange: one that was admitted and cannot be loaded, one kept on disk, or one whose statement is refused only
    /// for its expiry, its version or a clock. Else an agent that joins late would serve without the filter, and nobody
    /// would see it. What somebody can do with that who is no trusted publisher:
    ///
    /// - Whoever may push to the orchestrator signs with a key of his own. Such a statement never counts, neither for
    ///   nor against: it hides no trusted one, which the orchestrator sends beside it, and it holds nobody up.
    /// - Whoever has the orchestrator, or stands before it, can show trusted statements of long ago. An agent that knows
    ///   better, by its marks, is not held up. A new one is: it refuses what has expired and waits. That is no more than
    ///   the orchestrator can do by saying nothing, and it fails closed. Withholding a statement remains possible.
    pub async fn apply(&mut self, state: DesiredState, channel: &Channel) -> Applied {
        let began = Instant::now();
        let before = self.kept.clone();
        let mut outcomes = Outcomes::new(state.revision);
        let envelopes: Vec<Envelope> = state.statements.into_iter().map(envelope).collect();
        // keys first: a statement may come before the one that vouches for its key
        for (place, envelope) in envelopes.iter().enumerate() {
            if let Ok(verified) = Received(envelope.clone()).verify(&self.keys)
                && let Err(refused) = self.endorse(&verified)
            {
                outcomes.refused(place, refused);
            }
        }
        self.configure(&envelopes, &mut outcomes);
        let mut filters: BTreeMap<Name, Vec<(usize, Verified)>> = BTreeMap::new();
        for (place, envelope) in envelopes.into_iter().enumerate() {
            let is_configuration = configure::claims_to_configure(&envelope);
            match Received(envelope).verify(&self.keys) {
                Ok(verified) => {
                    if let Some((_, name, _)) = verified.signed().statement().subject() {
                        filters.entry(name.clone()).or_default().push((place, verified));
                    }
                }
                // told as what it is, and once
                Err(_) if is_configuration => {}
                Err(refused) => outcomes.refused(place, refused),
            }
        }
        let mut needed = BTreeSet::new();
        for (name, statements) in filters {
            if self.newest(statements, channel, &mut outcomes).await {
                needed.insert(name);
            }
        }
        needed.extend(self.kept_and_strict());
        self.lacks_one = needed.iter().any(|name| self.shared.active.find(name).is_none());
        self.kept.revision = state.revision;
        self.is_kept &= !self.fresh && self.kept == before;
        self.keep();
        outcomes.answer(began.elapsed())
    }

    /// Acts on the newest statement about a filter that can be admitted. True when a publisher wants more than came of it.
    async fn newest(
        &mut self,
        mut statements: Vec<(usize, Verified)>,
        channel: &Channel,
        outcomes: &mut Outcomes,
    ) -> bool {
        statements.sort_by_key(|(_, verified)| Reverse(verified.signed().statement().sequence()));
        let mut is_needed = false;
        for (place, verified) in statements {
            let refused = match verified.admit(&self.kept.ratchet, &self.group, now_s()) {
                Err(refused) => refused,
                Ok(admitted) => match self.act(admitted, Some(channel)).await {
                    Ok(done) => {
                        outcomes.done(place, done);
                        return is_needed;
                    }
                    Err(refused) => {
                        let is_needed = is_needed | refused.is_needed;
                        outcomes.refused(place, refused);
                        return is_needed;
                    }
                },
            };
            is_needed |= refused.is_needed;
            outcomes.refused(place, refused);
        }
        is_needed
    }

    /// The configuration of a state; one that says nothing of any changes nothing.
    fn configure(&mut self, envelopes: &[Envelope], outcomes: &mut Outcomes) {
        let mut verified = Vec::new();
        let mut refused = None;
        for envelope in envelopes.iter().filter(|envelope| configure::claims_to_configure(envelope)) {
            match Received(envelope.clone()).verify(&self.keys) {
                Ok(one) => verified.push(one),
                Err(error) => refused = Some(configure::unsigned(&error, self.in_force)),
            }
        }
        let kept = self.kept.configuration.as_ref().map(|envelope| (envelope, self.in_force));
        let settled = configure::settle(&self.shared, (&self.kept.ratchet, &self.group, now_s()), verified, kept);
        let Some(configure::Settled { outcome, new }) = settled else {
            refused.into_iter().for_each(|outcome| outcomes.configuration(outcome));
            return;
        };
        self.in_force = outcome.in_force;
        if let Some(new) = new {
            self.kept.ratchet.advance(new.signed());
            self.kept.configuration = Some(new.envelope().clone());
        }
        outcomes.configuration(outcome);
    }

    fn endorse(&mut self, verified: &Verified) -> Result<(), Refused> {
        let Statement::Endorse(endorsement) = verified.signed().statement() else { return Ok(()) };
        let now = now_s();
        if verified.endorse(&mut self.keys, &self.group, now)? {
            tracing::info!("key {} is trusted: key {} vouches for it", endorsement.key_id, verified.signed().key_id());
            self.kept.endorsements.push(Endorsed { at: now, envelope: verified.envelope().clone() });
        }
        Ok(())
    }

    /// An admitted statement to its end: with whether the filter is active. `None` where it is as it was said long ago.
    async fn act(&mut self, admitted: Admitted, channel: Option<&Channel>) -> Result<Option<(Label, bool)>, Refused> {
        match admitted.statement().signed().statement().clone() {
            Statement::Publish(publication) => {
                let said = label(&publication);
                let same = self.kept.active.get(&publication.name) == Some(admitted.statement().envelope());
                if same && self.runs(&publication) {
                    return Ok(Some((said, true)));
                }
                let done = admitted.fetch(&self.components, channel).await?.activate(&self.shared).await?;
                let (envelope, signed) = done.into_parts();
                self.kept.ratchet.advance(&signed);
                let before = self.kept.active.insert(publication.name.clone(), envelope);
                match before.filter(|_| publication.falls_back()) {
                    Some(before) if !same => drop(self.kept.before.insert(publication.name, before)),
                    Some(_) => {}
                    None => drop(self.kept.before.remove(&publication.name)),
                }
                Ok(Some((said, true)))
            }
            Statement::Remove(removal) => {
                let said = admitted.statement().label();
                let mark = self.kept.ratchet.mark(&removal.group, &removal.name);
                let again = mark.is_some_and(|mark| mark.statement == admitted.statement().signed().digest());
                let (_, signed) = admitted.remove(&self.shared, &removal.name).into_parts();
                self.kept.ratchet.advance(&signed);
                self.kept.before.remove(&removal.name);
                let was_active = self.kept.active.remove(&removal.name).is_some();
                Ok((was_active || !again).then_some((said, false)))
            }
            Statement::Endorse(_) | Statement::Configure(_) => Ok(None),
        }
    }

    fn runs(&self, publication: &Publication) -> bool {
        let active = &self.shared.active;
        active.has(&publication.name, Source::Signed)
            && active.find(&publication.name).is_some_and(|filter| **filter.publication() == *publication)
    }

    /// Filters that an earlier state made active and that let nothing pass without them, by publishers trusted now.
    fn kept_and_strict(&self) -> Vec<Name> {
        let strict = |envelope: &Envelope| {
            let verified = Received(envelope.clone()).verify(&self.keys).ok();
            verified
                .is_some_and(|verified| verified.is_strict() && *verified.signed().statement().group() == self.group)
        };
        self.kept.active.iter().filter(|(_, envelope)| strict(envelope)).map(|(name, _)| name.clone()).collect()
    }

    /// Writes what changed; what could not be written is tried again with the next state, or the same once more.
    fn keep(&mut self) {
        if self.is_kept {
            return;
        }
        match self.last_good.write(&self.kept) {
            Ok(()) => (self.fresh, self.is_kept) = (false, true),
            // what runs goes on; only a restart would fall back further than it should
            Err(error) => return tracing::error!("the last good state is not kept: {error}"),
        }
        let parsed = |envelope: &Envelope| self.keys.open(envelope).ok();
        let digests: BTreeSet<_> = self
            .kept
            .active
            .values()
            .chain(self.kept.before.values())
            .filter_map(|envelope| match parsed(envelope)?.statement() {
                Statement::Publish(publication) => Some(publication.digest),
                Statement::Remove(_) | Statement::Endorse(_) | Statement::Configure(_) => None,
            })
            .collect();
        self.components.keep_only(&digests);
    }
}

fn envelope(envelope: v1::Envelope) -> Envelope {
    let v1::Envelope { statement, signature, key_id } = envelope;
    Envelope { statement: statement.into(), signature: signature.into(), key_id: KeyId::claimed(&key_id) }
}

/// Seconds since the Unix epoch.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
