//! Any bytes as a component, looked at as the host and as the orchestrator do: no panic, and grants only ever admit more.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use weir_artifact::{Capability, MAX_COMPONENT_BYTES};

#[allow(dead_code, reason = "the modules are the host's")]
#[path = "../../host/src"]
mod host {
    pub mod component;
    pub mod line;
    pub mod load_error;
}
#[allow(dead_code, reason = "the module is the orchestrator's")]
#[path = "../../orchestrator/src/components.rs"]
mod components;

// Where the host's modules look for each other.
use host::{line, load_error::LoadFault};

fuzz_target!(|bytes: &[u8]| {
    let all = BTreeSet::from(Capability::ALL);
    if host::component::check(bytes, &BTreeSet::new()).is_ok() {
        assert!(host::component::check(bytes, &all).is_ok());
    }
    if let Ok(needs) = components::needs(bytes, MAX_COMPONENT_BYTES) {
        assert!(components::check(bytes, MAX_COMPONENT_BYTES, &needs).is_ok());
    }
});
