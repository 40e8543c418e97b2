//! Any text as a join token, a key, a digest or a name: no panic, and what is taken is written the same way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_artifact::{Digest, JoinToken, Name, PublisherKey, TrustedKey};

fuzz_target!(|text: &str| {
    if let Ok(token) = JoinToken::from_text(text) {
        assert_eq!(JoinToken::from_text(&token.to_text()).expect("what is written reads"), token);
    }
    if let Ok(key) = TrustedKey::from_text(text) {
        assert_eq!(key.to_text(), text.trim());
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.as_str(), text);
        assert!(!text.contains(['/', '\\', '\0']) && !text.starts_with('.'));
    }
    let _ = PublisherKey::from_text(text);
});
