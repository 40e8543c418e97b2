//! REST over TLS, as operators set it up and as the commands find it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use weir_testkit::ca::Ca;

use crate::server::{Ran, Server, command};

fn own() -> Server {
    Server::start_with(|_| ["--rest-tls", "own"].map(str::to_owned).into())
}

/// `agents` at this address.
fn ask(server: &Server, url: &str, more: &[&str]) -> Ran {
    let arguments = ["agents", "--format", "json", "--orchestrator", url];
    server.run(&arguments.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn commands_on_the_same_machine_find_the_ca_and_others_are_given_it() {
    let server = own();
    let url = format!("https://{}", server.rest);
    ask(&server, &url, &[]).ok();
    ask(&server, &format!("https://localhost:{}", server.rest.port()), &[]).ok();
    let other = server.file("other.pem", Ca::new("another").unwrap().pem());
    ask(&server, &url, &["--ca", &other]).fails(1, "--ca FILE or WEIR_CA names the CA");
    let nothing = server.file("nothing.pem", "");
    ask(&server, &url, &["--ca", &nothing]).fails(2, "there is no certificate in PEM in it");
    ask(&server, &format!("http://{}", server.rest), &[]).fails(1, "this port speaks TLS: use https://");

    let token = fs::read_to_string(server.path("data/token")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let remote = |ca: Option<&Path>| {
        let mut remote = command(elsewhere.path());
        remote.args(["agents", "--orchestrator", &url, "--token", token.trim()]);
        remote.envs(ca.map(|ca| ("WEIR_CA", ca)));
        let output = remote.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (done, said) = remote(None);
    assert!(!done && said.contains("UnknownIssuer") && said.contains("ca.pem of its data folder"), "{said}");
    let (done, said) = remote(Some(&server.path("data/ca.pem")));
    assert!(done, "{said}");
}

#[test]
fn plain_http_beyond_this_machine_is_refused_with_the_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path()).args(["serve", "--rest", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for way in ["rest_tls = \"own\"", "rest_tls_cert and rest_tls_key", "TLS proxy", "allow_remote_plain_rest"] {
        assert!(said.contains(way), "{way}: {said}");
    }
    let server = Server::start_with(|_| ["--rest", "0.0.0.0:0", "--rest-tls", "own"].map(str::to_owned).into());
    ask(&server, &format!("https://127.0.0.1:{}", server.rest.port()), &[]).ok();
}

#[test]
fn files_are_read_again_when_they_change_and_a_pair_that_does_not_fit_is_not_shown() {
    let [first, second] = ["first", "second"].map(|name| Ca::new(name).unwrap());
    let [one, two] = [&first, &second].map(|ca| ca.leaf(&["127.0.0.1"]).unwrap());
    let put = |file: &Path, text: &str| {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let server = Server::start_with(|dir| {
        let (certificate, key) = (dir.join("rest.pem"), dir.join("rest.key"));
        put(&certificate, &one.certificate);
        put(&key, &one.key);
        let path = |file: &Path| file.to_str().unwrap().to_owned();
        vec!["--rest-tls-cert".into(), path(&certificate), "--rest-tls-key".into(), path(&key)]
    });
    let url = format!("https://{}", server.rest);
    let (before, after) = (server.file("first.pem", first.pem()), server.file("second.pem", second.pem()));
    ask(&server, &url, &["--ca", &before]).ok();
    // half of a change, which nobody may see
    put(&server.path("rest.pem"), &two.certificate);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        ask(&server, &url, &["--ca", &before]).ok();
    }
    put(&server.path("rest.key"), &two.key);
    let until = Instant::now() + Duration::from_secs(60);
    while ask(&server, &url, &["--ca", &after]).code != 0 {
        assert!(Instant::now() < until, "the new certificate is not shown");
    }
    ask(&server, &url, &["--ca", &before]).fails(1, "peer certificate");
}

#[test]
fn what_cannot_be_shown_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = Ca::new("root").unwrap().leaf(&["127.0.0.1"]).unwrap();
    let other = Ca::new("root").unwrap().leaf(&["127.0.0.1"]).unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    };
    let certificate = file("rest.pem", &leaf.certificate, 0o644);
    for (key, says) in [
        (file("open.key", &leaf.key, 0o644), "open.key can be read by others (mode 644)"),
        (file("other.key", &other.key, 0o600), "other.key: "),
        (file("no.key", "none", 0o600), "no.key: "),
        (dir.path().join("missing.key"), "missing.key: No such file"),
    ] {
        let mut serve = command(dir.path());
        serve.args(["serve", "--rest", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--rest-tls-cert"]).arg(&certificate);
        let output = serve.arg("--rest-tls-key").arg(&key).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{says}: {said}");
    }
}
