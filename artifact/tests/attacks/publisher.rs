//! A publisher, and statements to start from.

use std::collections::BTreeSet;

use weir_artifact::{
    Capability, Configuration, Digest, Endorsement, Envelope, FailurePolicy, GroupName, Isolation, Limits, Publication,
    PublisherKey, Removal, Signed, Statement, TrustedKey, TrustedKeys,
};

/// 2026-11-20 in seconds, the clock of every test.
pub(crate) const NOW: u64 = 1_795_132_800;
pub(crate) const COMPONENT: &[u8] = b"\0asm component";

pub(crate) fn group() -> GroupName {
    GroupName::default()
}

pub(crate) fn publication(version: u64, sequence: u64) -> Publication {
    Publication {
        name: "block".parse().unwrap(),
        version,
        group: group(),
        sequence: NOW * 1000 + sequence,
        rollback: false,
        expires: NOW + 3600,
        digest: Digest::of(COMPONENT),
        size: COMPONENT.len() as u64,
        matching: "host:*.example.com".to_owned(),
        priority: 10,
        config: r#"{"status":403}"#.to_owned(),
        on_failure: FailurePolicy::Closed,
        on_failure_for: Vec::new(),
        isolation: Isolation::Shared,
        limits: Limits::default(),
        grants: BTreeSet::from([Capability::Log]),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    }
}

pub(crate) fn publish(version: u64, sequence: u64) -> Statement {
    Statement::Publish(Box::new(publication(version, sequence)))
}

pub(crate) fn rollback(version: u64, sequence: u64) -> Statement {
    Statement::Publish(Box::new(Publication { rollback: true, ..publication(version, sequence) }))
}

pub(crate) fn remove(sequence: u64) -> Statement {
    Statement::Remove(Removal { name: "block".parse().unwrap(), group: group(), sequence: NOW * 1000 + sequence })
}

pub(crate) fn endorse(key: &TrustedKey) -> Statement {
    Statement::Endorse(Endorsement {
        group: group(),
        sequence: NOW * 1000,
        expires: NOW + 3600,
        key_id: key.id(),
        key: key.clone(),
    })
}

pub(crate) fn configure(version: u64, sequence: u64) -> Statement {
    Statement::Configure(Configuration {
        version,
        group: group(),
        sequence: NOW * 1000 + sequence,
        expires: NOW + 3600,
        restores: None,
        text: "capture.body_bytes = 4096\n".to_owned(),
    })
}

pub(crate) fn trusting(key: &PublisherKey) -> TrustedKeys {
    TrustedKeys::new([key.public()])
}

/// Signed and opened by one who trusts.
pub(crate) fn signed(key: &PublisherKey, statement: &Statement) -> Signed {
    trusting(key).open(&key.sign(statement)).unwrap()
}

/// These very bytes as a statement with a signature that fits them: what a publisher's own faulty tool might sign.
pub(crate) fn sign_raw(bytes: &[u8]) -> (TrustedKeys, Envelope) {
    use ed25519_dalek::{Signer as _, SigningKey};
    let key = PublisherKey::generate();
    let seed = key.to_text();
    let seed = seed.strip_prefix("weir-publisher-secret-key:").unwrap();
    let seed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD_NO_PAD, seed).unwrap();
    let signature = SigningKey::from_bytes(&seed.try_into().unwrap()).sign(&[b"weir statement v1\n", bytes].concat());
    let envelope =
        Envelope { statement: bytes.to_vec(), signature: signature.to_bytes().to_vec(), key_id: key.public().id() };
    (trusting(&key), envelope)
}
