//! Any bytes as the beginning of a connection: no panic, an answer in time, and no other answer when more bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the module is the agent's")]
#[path = "../../agent/src/detect.rs"]
mod detect;

fuzz_target!(|bytes: &[u8]| {
    let whole = detect::detect(bytes);
    if bytes.len() >= detect::MAX_PEEK {
        assert!(whole.is_some());
    }
    // All cuts of what decides, and one of the rest.
    for end in (0..bytes.len().min(64)).chain([bytes.len() / 2]) {
        if let Some(early) = detect::detect(&bytes[..end]) {
            assert_eq!(whole, Some(early), "after {end} bytes");
        }
    }
});
