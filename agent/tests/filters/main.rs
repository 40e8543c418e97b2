//! Where filters come from: signed statements of an orchestrator, and a folder of files. Real signatures, real gRPC, real
//! components, real files; only the orchestrator is the test's own, since a proper one never sends what it must not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

#[path = "../../../host/tests/filters/guest/mod.rs"]
mod guest;

mod agent;
mod configuration;
mod folder;
mod last_good;
mod metrics;
mod publishers;
mod signed;
mod support;
mod swap;
