//! The server as agents and people meet it: a real server on free ports, a real SQLite file, real TLS.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod access;
mod annotations;
mod areas;
mod backup;
mod breakpoints;
mod browsers;
mod bucket;
mod commands;
mod compat;
mod component;
mod config;
mod configurations;
mod credentials;
mod documents;
mod doors;
mod durability;
mod edges;
mod files;
mod followed;
mod forms;
mod graphql;
mod harness;
mod hostile;
mod join;
mod lapse;
mod lines;
mod live;
mod messages;
mod metrics;
mod oidc;
mod once;
mod openapi;
mod proxies;
mod publish;
mod record;
mod renew;
mod rest;
mod retention;
mod revoke;
mod search;
mod single;
mod slow;
mod sse;
mod stored;
mod sync;
mod tls;
mod told;
mod trail;
mod tunnels;
mod usage;

/// The other test binary, `postgres`, runs the same files on the other database.
fn on_postgres() -> bool {
    false
}
