//! The contract in Rust: generated from `wit/filter.wit`, here and nowhere else.
//!
//! Guests' exports are called through this. Imports are linked by hand in [`crate::imports`], so that strings of a
//! guest are looked at in its memory and not copied first.
#![allow(missing_docs, unreachable_pub, reason = "generated; the contract documents itself")]

wasmtime::component::bindgen!({ path: "../wit/filter.wit", world: "filter" });
