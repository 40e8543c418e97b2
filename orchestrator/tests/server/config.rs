//! What keeps the server from starting, and what it says.

use std::os::unix::fs::PermissionsExt as _;

use weir_orchestrator::{ServeConfig, Server};

use crate::harness::{Running, args};

async fn refused(dir: &std::path::Path) -> String {
    let config = ServeConfig::load(args(dir)).unwrap();
    Server::start(config).await.map(drop).unwrap_err().to_string()
}

#[tokio::test]
async fn a_data_directory_is_for_one() {
    let running = Running::start().await;
    assert!(refused(running.dir.path()).await.contains("another orchestrator is using it"));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    use sqlx::Connection as _;
    let dir = Running::start().await.stop().await;
    let url = format!("sqlite://{}", dir.path().join("weir.db").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (4711, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let said = refused(dir.path()).await;
    assert!(said.contains("newer orchestrator") && said.contains("4711"), "{said}");
}

#[tokio::test]
async fn a_database_that_others_can_read_is_taken_from_them() {
    let dir = Running::start().await.stop().await;
    let file = dir.path().join("weir.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _running = Running::start_in(dir, |args| args).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn damaged_files_are_named() {
    let dir = Running::start().await.stop().await;
    let key = std::fs::read(dir.path().join("ca.key")).unwrap();
    std::fs::write(dir.path().join("ca.key"), "x").unwrap();
    assert!(refused(dir.path()).await.contains("ca.key"));
    std::fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert!(refused(dir.path()).await.contains("ca.key is not"));
    std::fs::write(dir.path().join("ca.key"), key).unwrap();
    assert!(refused(dir.path()).await.contains("chmod 600"), "a restored key is readable by all, as umask has it");
    std::fs::set_permissions(dir.path().join("ca.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(dir.path().join("weir.db"), "this is no database, but long enough to be taken for one".repeat(99))
        .unwrap();
    assert!(refused(dir.path()).await.contains("database"));
}
