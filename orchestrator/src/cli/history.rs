//! What was published of a filter before. The server tells, and is believed in nothing that will be signed: a publication
//! counts only when a key of the local folder signed it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use weir_artifact::{Envelope, GroupName, KeyId, Name, Publication, Statement, TrustedKeys};

use super::{client::Client, failure::Failure, units};

/// A day: agents refuse statements that are further ahead of their clock.
const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    sequence: u64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    versions: Vec<ToldVersion>,
}

#[derive(Deserialize)]
struct ToldVersion {
    version: u64,
    sequence: u64,
    key_id: String,
    #[serde(default)]
    statement: String,
    #[serde(default)]
    signature: String,
}

/// One publication as it was told, and as it was signed.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) version: u64,
    pub(crate) sequence: u64,
    pub(crate) key_id: KeyId,
    /// None when no key of the local folder signed it.
    pub(crate) publication: Option<Publication>,
}

/// All that was published of one filter in one group.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Newest first.
    past: Vec<Past>,
    pub(crate) active: bool,
    last_sequence: u64,
}

impl History {
    pub(crate) async fn ask(
        client: &Client,
        name: &Name,
        group: &GroupName,
        trusted: &TrustedKeys,
    ) -> Result<Self, Failure> {
        let told: Option<Told> = client.find(&["filters", name.as_str()], &[("group", group.as_str())]).await?;
        told.map_or_else(|| Ok(Self::default()), |told| Self::believe(told, name, group, trusted))
    }

    fn believe(told: Told, name: &Name, group: &GroupName, trusted: &TrustedKeys) -> Result<Self, Failure> {
        let last_sequence = told.versions.iter().map(|past| past.sequence).chain([told.sequence]).max().unwrap_or(0);
        let latest = units::now_ms().saturating_add(MAX_AHEAD_MS);
        if last_sequence > latest {
            return Err(Failure::Refused(format!(
                "the orchestrator says that the last statement about {name} was made in the future ({last_sequence}): \
                 its clock, the publisher's or this one is wrong"
            )));
        }
        let mut past: Vec<Past> = told
            .versions
            .into_iter()
            .map(|told| Past {
                publication: verified(&told, trusted)
                    .filter(|signed| signed.name == *name && signed.group == *group && signed.version == told.version),
                version: told.version,
                sequence: told.sequence,
                key_id: KeyId::claimed(&told.key_id),
            })
            .collect();
        past.sort_by_key(|past| std::cmp::Reverse(past.sequence));
        Ok(Self { past, active: told.state == "active", last_sequence })
    }

    /// What agents were told to run last.
    pub(crate) fn newest(&self) -> Option<&Past> {
        self.past.first()
    }

    /// The newest publication of a version.
    pub(crate) fn of_version(&self, version: u64) -> Option<&Past> {
        self.past.iter().find(|past| past.version == version)
    }

    /// The highest version below another.
    pub(crate) fn version_below(&self, version: u64) -> Option<u64> {
        self.past.iter().map(|past| past.version).filter(|below| *below < version).max()
    }

    pub(crate) fn next_version(&self) -> u64 {
        self.past.iter().map(|past| past.version).max().unwrap_or(0).saturating_add(1)
    }

    /// The number of the next statement: the time, or one more than the last.
    pub(crate) fn next_sequence(&self) -> u64 {
        units::now_ms().max(self.last_sequence.saturating_add(1))
    }
}

fn verified(told: &ToldVersion, trusted: &TrustedKeys) -> Option<Publication> {
    let envelope = Envelope {
        statement: BASE64.decode(&told.statement).ok()?,
        signature: BASE64.decode(&told.signature).ok()?,
        key_id: KeyId::claimed(&told.key_id),
    };
    match trusted.open(&envelope).ok()?.statement() {
        Statement::Publish(publication) => Some((**publication).clone()),
        Statement::Remove(_) | Statement::Endorse(_) | Statement::Configure(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_artifact::{Digest, FailurePolicy, Isolation, Limits, PublisherKey};

    use super::*;

    fn publication(version: u64, sequence: u64) -> Publication {
        Publication {
            name: "block".parse().unwrap(),
            version,
            group: GroupName::default(),
            sequence,
            rollback: false,
            expires: 4_000_000_000,
            digest: Digest::of(b""),
            size: 0,
            matching: String::new(),
            priority: 0,
            config: "{}".to_owned(),
            on_failure: FailurePolicy::Closed,
            on_failure_for: Vec::new(),
            isolation: Isolation::Shared,
            limits: Limits::default(),
            grants: [].into(),
            upstreams: Default::default(),
            reads: Default::default(),
            secrets: Default::default(),
        }
    }

    fn told(key: &PublisherKey, publication: &Publication) -> Value {
        let envelope = key.sign(&Statement::Publish(Box::new(publication.clone())));
        json!({
            "version": publication.version, "sequence": publication.sequence, "key_id": envelope.key_id,
            "statement": BASE64.encode(envelope.statement), "signature": BASE64.encode(envelope.signature),
        })
    }

    fn believe(trusted: &PublisherKey, versions: &[Value]) -> Result<History, Failure> {
        let told = serde_json::from_value(json!({"state": "active", "sequence": 3, "versions": versions})).unwrap();
        let trusted = TrustedKeys::new([trusted.public()]);
        History::believe(told, &"block".parse().unwrap(), &GroupName::default(), &trusted)
    }

    #[test]
    fn what_a_local_key_signed_is_believed() {
        let key = PublisherKey::generate();
        let history = believe(&key, &[told(&key, &publication(1, 1)), told(&key, &publication(2, 2))]).unwrap();
        assert_eq!(history.newest().unwrap().publication, Some(publication(2, 2)));
        assert_eq!((history.next_version(), history.version_below(2)), (3, Some(1)));
        assert!(history.next_sequence() > 3);
    }

    #[test]
    fn what_the_server_made_up_is_not() {
        let (key, other) = (PublisherKey::generate(), PublisherKey::generate());
        let stranger = believe(&key, &[told(&other, &publication(1, 1))]).unwrap();
        assert_eq!(stranger.newest().unwrap().publication, None, "signed by another");
        let mut relabelled = told(&key, &publication(1, 1));
        relabelled["version"] = json!(2);
        assert_eq!(believe(&key, &[relabelled]).unwrap().newest().unwrap().publication, None, "another version's");
        let elsewhere = Publication { name: "other".parse().unwrap(), ..publication(1, 1) };
        assert_eq!(believe(&key, &[told(&key, &elsewhere)]).unwrap().newest().unwrap().publication, None);
        let unsigned = json!({"version": 1, "sequence": 1, "key_id": key.public().id()});
        assert_eq!(believe(&key, &[unsigned]).unwrap().newest().unwrap().publication, None);
    }

    #[test]
    fn it_cannot_have_us_sign_for_the_far_future() {
        let key = PublisherKey::generate();
        assert!(believe(&key, &[told(&key, &publication(1, 9_000_000_000_000))]).is_err());
    }
}
