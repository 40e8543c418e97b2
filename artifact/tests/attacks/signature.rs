//! Nobody but a trusted key is believed, and only in the bytes it signed.

use crate::publisher::*;
use weir_artifact::{
    Artifact, Digest, Envelope, KeyId, PublisherKey, SignatureError, Statement, TrustedKey, TrustedKeys,
};

fn refused(keys: &TrustedKeys, envelope: &Envelope) -> SignatureError {
    keys.open(envelope).expect_err("it was opened")
}

#[test]
fn a_trusted_signature_opens() {
    let key = PublisherKey::generate();
    let opened = signed(&key, &publish(1, 0));
    assert_eq!(opened.statement(), &publish(1, 0));
    assert_eq!(opened.key_id(), &key.public().id());
    assert_eq!(opened.digest(), Digest::of(&publish(1, 0).to_bytes()));
}

#[test]
fn unsigned() {
    let key = PublisherKey::generate();
    let envelope = Envelope { signature: vec![], ..key.sign(&publish(1, 0)) };
    assert!(matches!(refused(&trusting(&key), &envelope), SignatureError::Unsigned));
}

#[test]
fn a_key_that_is_not_trusted() {
    let (ours, theirs) = (PublisherKey::generate(), PublisherKey::generate());
    let envelope = theirs.sign(&publish(1, 0));
    assert!(
        matches!(refused(&trusting(&ours), &envelope), SignatureError::UnknownKey(id) if id == theirs.public().id())
    );
    // … nor when it goes by the name of one that is
    let envelope = Envelope { key_id: ours.public().id(), ..envelope };
    assert!(matches!(refused(&trusting(&ours), &envelope), SignatureError::Mismatch(_)));
    assert!(matches!(refused(&TrustedKeys::default(), &envelope), SignatureError::UnknownKey(_)));
}

#[test]
fn every_altered_bit_is_noticed() {
    let key = PublisherKey::generate();
    let keys = trusting(&key);
    let good = key.sign(&remove(0));
    for bit in 0..good.statement.len() * 8 {
        let mut bad = good.clone();
        bad.statement[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(refused(&keys, &bad), SignatureError::Mismatch(_)), "statement bit {bit}");
    }
    for bit in 0..good.signature.len() * 8 {
        let mut bad = good.clone();
        bad.signature[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(refused(&keys, &bad), SignatureError::Mismatch(_)), "signature bit {bit}");
    }
    for length in [1, 63, 65, 128] {
        let mut bad = good.clone();
        bad.signature.resize(length, 0);
        assert!(matches!(refused(&keys, &bad), SignatureError::Mismatch(_)), "{length} bytes of signature");
    }
}

#[test]
fn a_signature_for_another_purpose_does_not_fit() {
    use ed25519_dalek::{Signer as _, SigningKey};
    let (seed, statement) = ([7; 32], publish(1, 0).to_bytes());
    let signing = SigningKey::from_bytes(&seed);
    let text =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, signing.verifying_key().as_bytes());
    let public = TrustedKey::from_text(&format!("weir-publisher-key:{text}")).unwrap();
    let envelope = Envelope { signature: signing.sign(&statement).to_bytes().to_vec(), statement, key_id: public.id() };
    assert!(matches!(refused(&TrustedKeys::new([public]), &envelope), SignatureError::Mismatch(_)));
}

#[test]
fn weak_keys_are_no_keys() {
    // The points of small order: for these there are signatures that fit every message.
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for hex in small {
        let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
        let refused = TrustedKey::from_text(&format!("weir-publisher-key:{text}"));
        assert!(matches!(refused, Err(SignatureError::NotAKey(_))), "{hex}");
    }
}

#[test]
fn key_text_round_trips_and_nothing_else_is_a_key() {
    let key = PublisherKey::generate();
    let public = key.public().to_text();
    assert_eq!(TrustedKey::from_text(&format!("{public}\n")).unwrap(), key.public());
    assert_eq!(PublisherKey::from_text(&key.to_text()).unwrap().public(), key.public());
    assert!(TrustedKey::from_text(&key.to_text()).is_err(), "a secret key is no public one");
    assert!(PublisherKey::from_text(&public).is_err());
    for bad in ["", "weir-publisher-key:", &public[..public.len() - 1], &format!("{public}A"), &public.to_uppercase()] {
        assert!(TrustedKey::from_text(bad).is_err(), "{bad}");
    }
    assert!(!format!("{key:?}").contains(&key.to_text()[30..]), "a secret is never shown");
}

#[test]
fn a_claimed_id_cannot_write_into_logs() {
    let id = KeyId::claimed("\x1b[31m\nforged line, and long at that");
    assert!(id.as_str().chars().all(|c| !c.is_control()) && id.as_str().len() < 64, "{id}");
}

#[test]
fn the_component_is_the_one_that_was_signed() {
    let key = PublisherKey::generate();
    let opened = signed(&key, &publish(1, 0));
    assert_eq!(Artifact::new(&opened, COMPONENT.to_vec()).unwrap().component(), COMPONENT);
    let truncated = Artifact::new(&opened, COMPONENT[1..].to_vec()).unwrap_err();
    assert_eq!(truncated.to_string(), "the component has 13 bytes, the statement says 14");
    let mut altered = COMPONENT.to_vec();
    altered[5] ^= 1;
    assert!(Artifact::new(&opened, altered).unwrap_err().to_string().starts_with("the component is sha256:"));
    let removal = Artifact::new(&signed(&key, &remove(0)), COMPONENT.to_vec()).unwrap_err();
    assert_eq!(removal.to_string(), "the statement is no publication");
}

#[test]
fn an_endorsed_key_is_believed() {
    let (ours, new, stranger) = (PublisherKey::generate(), PublisherKey::generate(), PublisherKey::generate());
    let mut keys = trusting(&ours);
    let by_ours = keys.open(&ours.sign(&endorse(&new.public()))).unwrap();
    assert_eq!(keys.endorse(&by_ours, &group(), NOW), Ok(true));
    assert_eq!(keys.endorse(&by_ours, &group(), NOW), Ok(false), "it is known");
    keys.open(&new.sign(&publish(1, 0))).unwrap();
    // A key nobody vouched for endorses itself in vain.
    assert!(keys.open(&stranger.sign(&endorse(&stranger.public()))).is_err());
    // … also when its statement was opened by somebody who trusts it.
    let by_stranger = signed(&stranger, &endorse(&stranger.public()));
    assert!(keys.endorse(&by_stranger, &group(), NOW).is_err());
    assert!(!keys.contains(&stranger.public().id()));
}

#[test]
fn an_endorsement_reaches_its_group_and_its_time_only() {
    let (ours, new) = (PublisherKey::generate(), PublisherKey::generate());
    let endorsement = signed(&ours, &endorse(&new.public()));
    let mut keys = trusting(&ours);
    assert!(keys.endorse(&endorsement, &"other".parse().unwrap(), NOW).is_err(), "another group");
    assert!(keys.endorse(&endorsement, &group(), NOW + 3600).is_err(), "expired");
    assert!(keys.endorse(&endorsement, &group(), NOW - 25 * 3600).is_err(), "from the future");
    assert!(!keys.contains(&new.public().id()));
    keys.endorse(&endorsement, &group(), NOW).unwrap();
    assert_eq!(keys.endorse(&endorsement, &group(), NOW + 3600), Ok(false), "a key once trusted stays so");
}

#[test]
fn an_endorsement_with_another_id_than_the_keys_is_no_statement() {
    let (ours, new) = (PublisherKey::generate(), PublisherKey::generate());
    let Statement::Endorse(mut endorsement) = endorse(&new.public()) else { unreachable!() };
    endorsement.key_id = ours.public().id();
    let envelope = ours.sign(&Statement::Endorse(endorsement));
    assert!(matches!(refused(&trusting(&ours), &envelope), SignatureError::Statement(_)));
}
