use std::fs;

use super::*;

fn check(text: &str, expect: &str) {
    let file = std::env::temp_dir().join(format!("weir-config-{}.toml", uuid::Uuid::new_v4()));
    fs::write(&file, text).unwrap();
    let loaded = ServeConfig::load(ServeArgs { config: Some(file.clone()), ..ServeArgs::default() });
    fs::remove_file(&file).unwrap();
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn the_error_names_file_line_and_key() {
    check("rest = \"127.0.0.1:1\"\nresst = 1\n", ".toml:2: unknown field `resst`");
    check("\n\nretention_hours = \"x\"\n", ".toml:3: retention_hours: invalid type");
}

#[test]
fn what_cannot_be_served_is_refused() {
    check("rest = \"0.0.0.0:7080\"", "rest: 0.0.0.0:7080 is reachable from other machines");
    check("database_url = \"mysql://weir:secret@db/weir\"", "database_url: neither sqlite://FILE nor postgres://");
    check("names = [\"a b\"]", "names: `a b` is neither");
    check("body_store = \"ftp://x\"", ".toml:1: body_store: neither file:///FOLDER nor s3://BUCKET/PREFIX");
    check("body_store_region = \"x\"", "body_store_region: only a body store s3://BUCKET has one");
    check("body_store_from_bytes = 1", "body_store_from_bytes: 1 is below");
    for endpoint in ["http://192.0.2.7:9000", "https://key:secret@bucket.example"] {
        let text = format!("body_store = \"s3://b\"\n\nbody_store_endpoint = \"{endpoint}\"");
        check(&text, ".toml:3: body_store_endpoint: ");
    }
    let text = "body_store = \"s3://b\"\nbody_store_credentials = \"/nowhere/keys.toml\"";
    check(text, ".toml:2: body_store_credentials: /nowhere/keys.toml: No such file");
    check("\n\nretention_hours = 0", ".toml:3: retention_hours: 0 is below");
    check("max_component_bytes = 67108865", ".toml:1: max_component_bytes: 67108865 is more than any agent takes");
    check("rest = \"127.0.0.1:9\"\ngrpc = \"127.0.0.1:9\"", "grpc: 127.0.0.1:9 is the address of rest too");
}

#[test]
fn a_flag_is_no_fault_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("weir.toml");
    fs::write(&config, "retention_hours = 5\n").unwrap();
    let args = ServeArgs { config: Some(config), retention_hours: Some(0), ..ServeArgs::default() };
    assert!(ServeConfig::load(args).unwrap_err().to_string().starts_with("retention_hours: 0"));
}

#[test]
fn flags_win_over_the_file() {
    let args = ServeArgs { rest: Some(([127, 0, 0, 1], 0).into()), ..ServeArgs::default() };
    assert_eq!(ServeConfig::load(args).unwrap().rest.port(), 0);
}
