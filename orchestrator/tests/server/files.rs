//! What lies in the data directory of a server on SQLite.

use std::os::unix::fs::PermissionsExt as _;

use weir_orchestrator::{ServeConfig, Server};

use crate::harness::Running;

#[tokio::test]
async fn a_database_that_others_can_read_is_taken_from_them() {
    let dir = Running::start().await.stop().await;
    let file = dir.path().join("weir.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _running = Running::start_in(dir, |args| args).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_damaged_database_is_named() {
    let dir = Running::start().await.stop().await;
    std::fs::write(dir.path().join("weir.db"), "this is no database, but long enough to be taken for one".repeat(99))
        .unwrap();
    let refused = Server::start(ServeConfig::load(dir.args()).unwrap()).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("database"));
}

#[tokio::test]
async fn the_database_is_for_its_owner_and_holds_no_token() {
    let running = Running::start().await;
    for file in ["weir.db", "weir.db-wal", "weir.db-shm"] {
        let mode = std::fs::metadata(running.dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let (_, made) = running.person.post("/api/v1/tokens", &serde_json::json!({"name": "ci", "role": "viewer"})).await;
    let database = std::fs::read(running.dir.path().join("weir.db-wal")).unwrap();
    for token in [&*running.person.token, made["token"].as_str().unwrap()] {
        let (_, secret) = token.split_at("weir-admin-".len());
        let is_in = database.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_in, "only its hash is stored");
    }
    let dir = running.stop().await;
    assert!(!dir.path().join("weir.db-wal").exists(), "a clean end leaves no journal behind");
}
