//! Any bytes as a statement: no panic; what parses is written as bytes that parse to the same; what nobody signed is
//! never opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_artifact::{Envelope, GroupName, KeyId, Ratchet, Statement, TrustedKey, TrustedKeys};

const KEY: &str = "weir-publisher-key:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fuzz_target!(|bytes: &[u8]| {
    let keys = TrustedKeys::new([TrustedKey::from_text(KEY).expect("RFC 8032 section 7.1, test 1")]);
    if let Ok(statement) = Statement::parse(bytes) {
        let written = statement.to_bytes();
        assert_eq!(Statement::parse(&written).expect("what is written parses"), statement);
    }
    // Every way to cut the bytes in signature and statement is tried in time by the one that is tried here.
    let at = bytes.len().min(64);
    let (signature, statement) = bytes.split_at(at);
    let id = keys.iter().next().expect("one key").id();
    for key_id in [id, KeyId::claimed(&String::from_utf8_lossy(bytes))] {
        let envelope = Envelope { statement: statement.to_vec(), signature: signature.to_vec(), key_id };
        if let Ok(signed) = keys.open(&envelope) {
            let _ = Ratchet::default().admit(&signed, &GroupName::default(), 0);
            panic!("a signature was forged");
        }
    }
});
