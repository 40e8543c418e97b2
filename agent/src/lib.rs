//! An agent: carries traffic and runs filters on it.
//!
//! Read `connection.rs` (what becomes of a connection) and `exchange/mod.rs` (what becomes of a request): together they
//! are the product. Everything a worker owns is `!Send`: one thread, one runtime, one listener, one upstream pool, one
//! set of filter instances; workers share only [`worker::Shared`].

pub mod admin;
pub mod asks;
mod author;
pub mod cli;
pub mod config;
pub mod connection;
pub mod control;
pub mod detect;
pub mod disk;
pub mod drain;
pub mod entry;
pub mod exchange;
pub mod filters;
mod framing;
mod idle;
mod ids;
pub mod interception;
pub mod io;
pub mod listener;
pub mod local;
mod logging;
pub mod memory;
pub mod metrics;
pub mod open_files;
pub mod policy;
pub mod record;
pub mod redact;
pub mod replay;
pub mod room;
pub mod roster;
pub mod secrets;
pub mod start;
pub mod stats;
pub mod target;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod worker;
