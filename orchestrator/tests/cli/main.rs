//! The commands, as a person runs them: the real binary against the real server. Agents are played by the protocol's own
//! client, so that they answer what a test wants.
#![cfg(test)]

mod agent;
mod backup;
mod component;
mod filters;
mod help;
mod keys;
mod new_filter;
mod people;
mod push;
mod retention;
mod serve;
mod server;
mod tls;
mod traffic;
mod wrong;
