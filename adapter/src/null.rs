//! The module that answers for `wasi_snapshot_preview1`. In: the contract's text. Out: a core module; it asks the contract for
//! time and randomness where the contract has them, and does without where it has not.

use std::collections::BTreeSet;

use crate::{EncodeError, misfit, world};

const NULL: &str = include_str!("null.wat");
const COUNTING_CLOCK: &str = include_str!("clock-counting.wat");
const HOST_CLOCK: &str = include_str!("clock-host.wat");
const FIXED_RANDOM: &str = include_str!("random-fixed.wat");
const HOST_RANDOM: &str = include_str!("random-host.wat");

/// Nanoseconds in a unit of `clock.now`, which counts milliseconds.
const NANOSECONDS: &str = "1e6";

/// See the module.
pub(crate) fn adapter(contract: &str) -> Result<Vec<u8>, EncodeError> {
    let mut imports = BTreeSet::new();
    let mut lines = String::new();
    let mut import = |interface: &str, function: &str| {
        let name = format!("{}/{interface}@{}", weir_wit::PACKAGE, weir_wit::VERSION);
        lines.push_str(&format!("(import \"{name}\" {function})\n"));
        imports.insert(name);
    };
    let clock = if has(contract, "clock") {
        import("clock", r#""now" (func $now (result f64))"#);
        HOST_CLOCK.replace("SCALE", NANOSECONDS)
    } else {
        COUNTING_CLOCK.to_owned()
    };
    let random = if has(contract, "random") {
        import("random", r#""bytes" (func $bytes (param i32 i32))"#);
        HOST_RANDOM
    } else {
        FIXED_RANDOM
    };
    let text = NULL.replacen("IMPORTS", &lines, 1).replacen("DEFINITIONS", &format!("{clock}\n{random}"), 1);
    let mut module = wat::parse_str(text).map_err(misfit)?;
    world::embed_world(&mut module, "null-system", contract, &imports, &BTreeSet::new())?;
    Ok(module)
}

fn has(contract: &str, interface: &str) -> bool {
    contract.lines().any(|line| {
        line.trim_start()
            .strip_prefix("interface ")
            .is_some_and(|rest| rest.split([' ', '{']).next() == Some(interface))
    })
}
