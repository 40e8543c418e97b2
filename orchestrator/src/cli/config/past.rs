//! What was pushed to a group before. The server tells, and is believed in nothing that will be signed: a configuration
//! counts only when a key of the local folder signed it.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use weir_artifact::{Configuration, Envelope, GroupName, KeyId, Statement, TrustedKeys};
use weir_desired::Document;

use crate::cli::{client::Client, failure::Failure, units};

/// A day: agents refuse statements that are further ahead of their clock.
const MAX_AHEAD_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
struct Told {
    versions: Vec<ToldVersion>,
}

#[derive(Deserialize)]
struct ToldVersion {
    version: u64,
    sequence: u64,
    key_id: String,
    #[serde(default)]
    published: String,
    statement: String,
    signature: String,
}

/// One configuration as it was told, and as it was signed.
pub(super) struct Past {
    pub(super) version: u64,
    sequence: u64,
    pub(super) key_id: KeyId,
    pub(super) published: String,
    /// None when no key of the local folder signed it.
    pub(super) signed: Option<Configuration>,
}

/// All that was pushed to one group.
#[derive(Default)]
pub(super) struct Pasts {
    /// Newest first.
    pub(super) all: Vec<Past>,
}

impl Past {
    /// What it says, where it can be vouched for.
    pub(super) fn document(&self) -> Option<Document> {
        Document::parse(&self.signed.as_ref()?.text).ok()
    }
}

impl Pasts {
    pub(super) async fn ask(client: &Client, group: &GroupName, trusted: &TrustedKeys) -> Result<Self, Failure> {
        let told: Option<Told> = client.find(&["configurations", group.as_str()], &[]).await?;
        told.map_or_else(|| Ok(Self::default()), |told| Self::believe(told, group, trusted))
    }

    fn believe(told: Told, group: &GroupName, trusted: &TrustedKeys) -> Result<Self, Failure> {
        let latest = units::now_ms().saturating_add(MAX_AHEAD_MS);
        if told.versions.iter().any(|past| past.sequence > latest) {
            return Err(Failure::Refused(
                "the orchestrator says that a configuration was made in the future: its clock, the publisher's or this one is \
                 wrong"
                    .to_owned(),
            ));
        }
        let mut all: Vec<Past> = told
            .versions
            .into_iter()
            .map(|told| Past {
                signed: verified(&told, trusted).filter(|signed| {
                    signed.group == *group && signed.version == told.version && signed.sequence == told.sequence
                }),
                version: told.version,
                sequence: told.sequence,
                key_id: KeyId::claimed(&told.key_id),
                published: told.published,
            })
            .collect();
        all.sort_by_key(|past| std::cmp::Reverse(past.sequence));
        Ok(Self { all })
    }

    /// What agents that trust a key of the folder were told last.
    pub(super) fn newest(&self) -> Option<&Past> {
        self.all.iter().find(|past| past.signed.is_some())
    }

    pub(super) fn next_version(&self) -> u64 {
        self.all.iter().map(|past| past.version).max().unwrap_or(0).saturating_add(1)
    }

    /// The number of the next statement: the time, or one more than the last.
    pub(super) fn next_sequence(&self) -> u64 {
        let last = self.all.iter().map(|past| past.sequence).max().unwrap_or(0);
        units::now_ms().max(last.saturating_add(1))
    }
}

fn verified(told: &ToldVersion, trusted: &TrustedKeys) -> Option<Configuration> {
    let envelope = Envelope {
        statement: BASE64.decode(&told.statement).ok()?,
        signature: BASE64.decode(&told.signature).ok()?,
        key_id: KeyId::claimed(&told.key_id),
    };
    match trusted.open(&envelope).ok()?.statement() {
        Statement::Configure(configuration) => Some(configuration.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use weir_artifact::PublisherKey;

    use super::*;

    fn told(key: &PublisherKey, version: u64) -> ToldVersion {
        let configuration = Configuration {
            version,
            group: GroupName::default(),
            sequence: version,
            expires: 4_000_000_000,
            restores: None,
            text: format!("client.headers = {}\n", 20 + version),
        };
        let envelope = key.sign(&Statement::Configure(configuration));
        ToldVersion {
            version,
            sequence: version,
            key_id: envelope.key_id.to_string(),
            published: String::new(),
            statement: BASE64.encode(envelope.statement),
            signature: BASE64.encode(envelope.signature),
        }
    }

    #[test]
    fn only_what_a_local_key_signed_is_believed() {
        let (key, other) = (PublisherKey::generate(), PublisherKey::generate());
        let trusted = TrustedKeys::new([key.public()]);
        let relabelled = ToldVersion { version: 9, ..told(&key, 2) };
        let versions = vec![told(&key, 1), told(&other, 3), relabelled];
        let pasts = Pasts::believe(Told { versions }, &GroupName::default(), &trusted).unwrap();
        assert_eq!(pasts.newest().unwrap().version, 1);
        assert_eq!((pasts.next_version(), pasts.all[0].version), (10, 3));
        assert!(pasts.next_sequence() > 3);
        let elsewhere = Pasts::believe(Told { versions: vec![told(&key, 1)] }, &"edge".parse().unwrap(), &trusted);
        assert!(elsewhere.unwrap().newest().is_none());
        let future = ToldVersion { sequence: 9_000_000_000_000, ..told(&key, 1) };
        assert!(Pasts::believe(Told { versions: vec![future] }, &GroupName::default(), &trusted).is_err());
    }
}
