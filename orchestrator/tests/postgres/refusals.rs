//! What keeps the server from starting on PostgreSQL, and what it says: where, why, and never the password.

use std::{path::Path, process::Command};

use weir_orchestrator::{ServeConfig, Server};
use weir_testkit::{postgres, scratch::Scratch};

use crate::harness::{Home, args, binary};

async fn start(dir: &Path, url: &str) -> Result<(), String> {
    let config = ServeConfig::load(args(dir, Some(url.to_owned()))).map_err(|error| error.to_string())?;
    let server = Server::start(config).await.map_err(|error| error.to_string())?;
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn it_says_where_it_wanted_to_connect_and_why_it_could_not() {
    let home = Home::new().await;
    let url = home.database_url();
    let (role, rest) = url.split_once("//").unwrap().1.split_once('@').unwrap();
    let password = role.split_once(':').unwrap().1;
    let (server, database) = rest.split_once('/').unwrap();
    for (url, says) in [
        (format!("postgres://weir:{password}@127.0.0.1:1/x"), "PostgreSQL at 127.0.0.1:1, database x: "),
        (format!("postgres://weir:{password}@127.0.0.1:1/x"), "Connection refused"),
        (format!("postgres://weir:no{password}@{server}/{database}"), "password authentication failed"),
        (format!("postgres://{role}@{server}/nowhere"), "database \"nowhere\" does not exist"),
        (format!("postgres://weir:{password}@weir.invalid/x"), "PostgreSQL at weir.invalid:5432, database x: "),
    ] {
        let said = start(home.path(), &url).await.unwrap_err();
        assert!(said.contains(says) && !said.contains(password), "{said}");
        // Nor does the program, whatever is logged.
        let dir = tempfile::tempdir().unwrap();
        let mut serve = Command::new(binary());
        serve.args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log", "trace", "--data-dir"]);
        let output = serve.arg(dir.path()).env("WEIR_DATABASE_URL", url).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says) && !said.contains(password), "{said}");
    }
    let help = Command::new(binary()).args(["serve", "--help"]).env("WEIR_DATABASE_URL", &url).output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains(password));
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let home = Home::new().await;
    home.sql("CREATE DATABASE w_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").await;
    let url = home.database_url();
    let latin = format!("{}/w_latin", url.rsplit_once('/').unwrap().0);
    let said = start(home.path(), &latin).await;
    home.sql("DROP DATABASE w_latin WITH (FORCE)").await;
    assert!(said.unwrap_err().contains("ENCODING 'UTF8'"));
}

#[tokio::test]
async fn tls_is_as_strict_as_the_url_says() {
    let scratch = Scratch::new("postgres-tls").unwrap();
    let server = postgres::Server::start(scratch.path()).await.unwrap();
    let url = |host: &str, rest: &str| server.url().replace("127.0.0.1", host) + rest;
    let dir = scratch.join("data");
    let ca = format!("&sslrootcert={}", server.ca().display());
    start(&dir, &url("127.0.0.1", "?sslmode=require")).await.unwrap();
    start(&dir, &url("localhost", &format!("?sslmode=verify-full{ca}"))).await.unwrap();
    start(&dir, &url("127.0.0.1", &format!("?sslmode=verify-ca{ca}"))).await.unwrap();
    let other_name = start(&dir, &url("127.0.0.1", &format!("?sslmode=verify-full{ca}"))).await.unwrap_err();
    assert!(other_name.contains("not valid for name"), "{other_name}");
    let nobodys = start(&dir, &url("localhost", "?sslmode=verify-full")).await.unwrap_err();
    assert!(nobodys.contains("UnknownIssuer"), "{nobodys}");
}
