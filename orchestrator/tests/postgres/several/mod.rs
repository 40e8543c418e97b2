//! Several orchestrators on one database: whatever is done at one is done at all.

mod agents;
mod changes;
mod credentials;
mod start;
mod traffic;

use weir_orchestrator::{ServeConfig, Server};

use crate::harness::{Person, Running};

/// Another orchestrator with the same database and authority.
async fn beside(one: &Running) -> Running {
    let dir = one.dir.beside(&["ca.key", "ca.pem"]);
    let server = Server::start(ServeConfig::load(dir.args()).unwrap()).await.unwrap();
    assert_eq!(server.new_token, None, "there is an admin token");
    let person = Person { base: format!("http://{}", server.rest), ..one.person.clone() };
    let grpc = server.grpc;
    Running { server: Some(server), person, grpc, dir }
}
