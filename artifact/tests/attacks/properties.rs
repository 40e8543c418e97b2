//! What holds for all bytes and all orders of statements.

use crate::publisher::*;
use proptest::prelude::*;
use weir_artifact::{
    Digest, Envelope, JoinToken, KeyId, Publication, PublisherKey, Ratchet, Statement, TrustedKey, TrustedKeys,
};

fn statement() -> impl Strategy<Value = Statement> {
    prop_oneof![
        (1..6_u64, 0..8_u64).prop_map(|(version, sequence)| publish(version, sequence)),
        (1..6_u64, 0..8_u64).prop_map(|(version, sequence)| rollback(version, sequence)),
        (0..8_u64).prop_map(remove),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(statement: Vec<u8>, signature: Vec<u8>, key_id: String, text: String) {
        let keys = TrustedKeys::new([PublisherKey::generate().public()]);
        let envelope = Envelope { statement: statement.clone(), signature, key_id: KeyId::claimed(&key_id) };
        prop_assert!(keys.open(&envelope).is_err());
        let _ = Statement::parse(&statement);
        let _ = TrustedKey::from_text(&text);
        let _ = JoinToken::from_text(&text);
        let _ = text.parse::<Digest>();
    }

    #[test]
    fn publications_read_back(version in 1..1_u64 << 53, priority: i32, matching: String, config: String, name in "[a-z0-9][a-z0-9._-]{0,63}") {
        let config = serde_json::to_string(&config).unwrap();
        let name = name.parse().unwrap();
        let statement = Statement::Publish(Box::new(Publication { name, version, priority, matching, config, ..publication(1, 0) }));
        prop_assert_eq!(Statement::parse(&statement.to_bytes()).unwrap(), statement);
    }

    /// However statements about filters lie between.
    #[test]
    fn configurations_only_get_newer(offers in prop::collection::vec((1..9_u64, 0..9_u64), 1..40), others in prop::collection::vec(statement(), 40)) {
        let key = PublisherKey::generate();
        let mut ratchet = Ratchet::default();
        let mut in_force = (0, 0);
        for ((version, sequence), other) in offers.into_iter().zip(others) {
            ratchet.advance(&signed(&key, &other));
            let signed = signed(&key, &configure(version, sequence + 1));
            if ratchet.admit(&signed, &group(), NOW).is_ok() {
                ratchet.advance(&signed);
                let now = (version, sequence + 1);
                prop_assert!(now == in_force || now.0 > in_force.0 && now.1 > in_force.1);
                in_force = now;
            }
        }
    }

    /// Whatever an orchestrator replays in whatever order: what is in force only gets newer, and a version only goes
    /// down by a rollback.
    #[test]
    fn nothing_goes_back(statements in prop::collection::vec(statement(), 1..40)) {
        let key = PublisherKey::generate();
        let mut ratchet = Ratchet::default();
        let mut in_force: Option<Statement> = None;
        let mut highest = 0;
        for statement in statements {
            let signed = signed(&key, &statement);
            if ratchet.admit(&signed, &group(), NOW).is_err() {
                continue;
            }
            ratchet.advance(&signed);
            if let Some(before) = &in_force {
                prop_assert!(statement.sequence() > before.sequence() || statement == *before);
            }
            if let Statement::Publish(publication) = &statement
                && in_force.as_ref() != Some(&statement)
            {
                prop_assert!(publication.version > highest || publication.rollback);
                highest = highest.max(publication.version);
            }
            in_force = Some(statement);
        }
    }
}
