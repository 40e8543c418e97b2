//! Any bytes as an HTTP Archive: no panic; an error says where it stands; and what was imported is written so that it reads as
//! the same exchanges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_har::{ImportError, Recorder, begin, end, entry, read};
use weir_proto::v1::Exchange;

fn import(bytes: &[u8]) -> Result<Vec<Exchange>, ImportError> {
    let mut exchanges = Vec::new();
    read(bytes, |found| {
        exchanges.push(found.exchange);
        true
    })?;
    Ok(exchanges)
}

/// Ids hang on it, and who made the file is another.
fn bare(exchange: &Exchange) -> Exchange {
    let mut exchange = Exchange { id: Default::default(), ..exchange.clone() };
    exchange.tags.retain(|tag| !tag.name.starts_with(weir_har::IMPORT_TAG));
    // An object has one member of a name.
    exchange.tags.sort_by(|a, b| a.name.cmp(&b.name));
    exchange.tags.dedup_by(|a, b| a.name == b.name);
    exchange
}

fuzz_target!(|bytes: &[u8]| {
    let exchanges = match import(bytes) {
        Ok(exchanges) => exchanges,
        Err(ImportError::Entry { index, pointer, .. }) => {
            assert!(pointer.starts_with(&format!("/log/entries/{index}")));
            return;
        }
        Err(_) => return,
    };
    let recorder = Recorder { id: "", name: "" };
    let entries: Vec<String> = exchanges.iter().map(|exchange| entry(exchange, recorder).to_string()).collect();
    let archive = format!("{}{}{}", begin("0"), entries.join(","), end());
    let again = import(archive.as_bytes()).expect("what was written can be read");
    let [first, second] = [&exchanges, &again].map(|all| all.iter().map(bare).collect::<Vec<_>>());
    assert_eq!(first.len(), second.len());
    for exchange in &exchanges {
        let _ = (weir_har::command(exchange), weir_har::messages(exchange));
        let mut hidden = exchange.clone();
        weir_har::hide(&mut hidden);
    }
});
