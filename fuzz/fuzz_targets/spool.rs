//! Any bytes as a segment of the agent's spool: no panic, and what is whole is read in order and can be acknowledged.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the modules are the agent's")]
#[path = "../../agent/src/record/batch.rs"]
mod batch;
#[allow(dead_code, reason = "the modules are the agent's")]
#[path = "../../agent/src/disk.rs"]
mod disk;
#[allow(dead_code, reason = "the modules are the agent's")]
#[path = "../../agent/src/record/spool.rs"]
mod spool;
#[allow(dead_code, reason = "the modules are the agent's")]
#[path = "../../agent/src/record/wire.rs"]
mod wire;

fuzz_target!(|bytes: &[u8]| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("00000000001000000000.seg"), bytes).expect("a file in it");
    let mut spool = spool::Spool::open(dir.path().to_owned(), 1 << 20).expect("damage is no fault of the disk");
    let mut last = None;
    while let Some((position, frame)) = spool.next().expect("what is left after opening is whole") {
        assert!(last.is_none_or(|last| last < position) && frame.payload.len() <= bytes.len());
        last = Some(position);
    }
    assert!(spool.bytes() <= bytes.len() as u64);
    if let Some(last) = last {
        spool.acknowledge(last).expect("the file is there");
        assert_eq!(spool.bytes(), 0);
    }
});
