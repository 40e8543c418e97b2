//! What keeps the server from starting, and what it says.

use std::os::unix::fs::PermissionsExt as _;

use weir_orchestrator::{ServeConfig, Server};

use crate::harness::{Home, Running};

async fn refused(dir: &Home) -> String {
    let config = ServeConfig::load(dir.args()).unwrap();
    Server::start(config).await.map(drop).unwrap_err().to_string()
}

#[tokio::test]
async fn a_data_directory_is_for_one() {
    let running = Running::start().await;
    assert!(refused(&running.dir).await.contains("another orchestrator is using it"));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let dir = Running::start().await.stop().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (4711, 'later', true, '', 0)";
    dir.sql(newer).await;
    let said = refused(&dir).await;
    assert!(said.contains("newer orchestrator") && said.contains("4711"), "{said}");
}

#[tokio::test]
async fn a_migration_that_was_changed_since_is_found_out() {
    let dir = Running::start().await.stop().await;
    dir.sql("UPDATE _sqlx_migrations SET checksum = substr(checksum, 2) WHERE version = 1").await;
    let said = refused(&dir).await;
    assert!(said.contains("cannot be brought up to date") && said.contains("migration 1"), "{said}");
}

#[tokio::test]
async fn damaged_files_are_named() {
    let dir = Running::start().await.stop().await;
    let key = std::fs::read(dir.path().join("ca.key")).unwrap();
    std::fs::write(dir.path().join("ca.key"), "x").unwrap();
    assert!(refused(&dir).await.contains("ca.key"));
    std::fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert!(refused(&dir).await.contains("ca.key is not"));
    std::fs::write(dir.path().join("ca.key"), key).unwrap();
    assert!(refused(&dir).await.contains("chmod 600"), "a restored key is readable by all, as umask has it");
    std::fs::set_permissions(dir.path().join("ca.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
}
