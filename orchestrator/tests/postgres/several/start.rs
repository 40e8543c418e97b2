//! Who may start on a database: those with its authority, whichever comes first.

use serde_json::json;
use weir_orchestrator::{ServeConfig, Server};

use crate::harness::{Home, Person, Running};

#[tokio::test]
async fn another_authority_is_not_let_in() {
    let one = Running::start().await;
    let start = |dir: &Home| Server::start(ServeConfig::load(dir.args()).unwrap());
    let stranger = one.dir.beside(&[]);
    let refused = start(&stranger).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("copy ca.key and ca.pem"), "{refused}");
}

#[tokio::test]
async fn both_may_start_first() {
    for _ in 0..3 {
        let home = Home::new().await;
        let made = Server::start(ServeConfig::load(crate::harness::args(home.path(), None)).unwrap()).await.unwrap();
        made.stop().await;
        std::fs::remove_file(home.path().join("token")).unwrap();
        let homes = [home.beside(&["ca.key", "ca.pem"]), home.beside(&["ca.key", "ca.pem"])];
        let [one, two] = homes.each_ref().map(|home| Server::start(ServeConfig::load(home.args()).unwrap()));
        let (one, two) = tokio::join!(one, two);
        let (one, two) = (one.unwrap(), two.unwrap());
        let tokens = [&one.new_token, &two.new_token];
        assert_eq!(tokens.iter().filter(|token| token.is_some()).count(), 1, "{tokens:?}");
        let holder = homes.iter().find(|home| home.path().join("token").exists()).unwrap();
        for server in [&one, &two] {
            assert_eq!(Person::new(server.rest, holder.path()).get("/api/v1/agents").await["items"], json!([]));
        }
        one.stop().await;
        two.stop().await;
    }
}
