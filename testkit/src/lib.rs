//! What the end-to-end tests stand on: real agents and orchestrators as processes, origins, clients, components.
//!
//! Nothing here knows the inside of the product: it starts its binaries, speaks to their sockets and reads what they
//! print. Every wait has a deadline and every process is ended by its own id.

pub mod agent;
pub mod binaries;
pub mod body;
pub mod bucket;
pub mod ca;
pub mod client;
pub mod component;
pub mod curl;
pub mod debian;
pub mod gate;
pub mod load;
pub mod numbered;
pub mod orchestrator;
pub mod origin;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod scratch;
pub mod setup;
pub mod swap;
pub mod told;
pub mod wait;
pub mod websocket;
