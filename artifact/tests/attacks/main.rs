//! What an orchestrator in wrong hands, or anybody between, might try.
#![cfg(test)]

mod join_token;
mod properties;
mod publisher;
mod ratchet;
mod signature;
mod statement;
