//! The data path over real sockets: an agent in this process, clients and origins of the testkit. What only the whole
//! product can show is in the testkit's own tests.

mod agent;
mod bypass;
mod connect;
mod forward;
mod heads;
mod hostile;
mod stopping;
mod tunnels;
mod upstreams;
