//! What is said to somebody who asks at the wrong place.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use crate::{
    agent::{Agent, content},
    server::{Server, command},
};

/// Something that answers each request so.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    address.to_string()
}

fn said(address: &str) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let mut agents = command(home.path());
    let output = agents.args(["agents", "--token", "t", "--orchestrator", address]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn check(address: &str, expect: i32, says: &str) {
    let (code, said) = said(address);
    assert!(code == expect && said.contains(says), "{address}: {code} {said}");
}

#[test]
fn the_wrong_place_is_told_from_no_place() {
    for none in ["localhost:7080", "127.0.0.1:7080", "ftp://a", "http://", "a"] {
        check(none, 2, "expected http://HOST:PORT or https://HOST:PORT");
    }
    // Nobody listens there.
    check("http://127.0.0.1:1", 1, "no orchestrator answers at");
    let page = stranger("HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n<!DOCTYPE html>");
    check(
        &format!("http://{page}"),
        1,
        "(404): Not Found, as a page for browsers: is it an orchestrator that answers there?",
    );
    let grpc = stranger("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    check(&format!("http://{grpc}"), 1, "it is where agents connect (gRPC)");
    let plain = stranger("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    check(&format!("https://{plain}"), 1, "it may speak plain HTTP: try http://");
    let tls = stranger("\x15\x03\x03\0\x02\x02\x46");
    check(&format!("http://{tls}"), 1, "it may speak TLS: try https://");
}

#[test]
fn the_port_for_agents_is_not_rest() {
    let server = Server::start();
    check(&format!("http://{}", server.grpc), 1, "it may speak TLS: try https://");
}

#[test]
fn files_that_are_none_are_not_the_servers_fault() {
    let server = Server::start();
    let folder = server.path("");
    server.run(&["import", folder.to_str().unwrap()]).fails(1, "error: ");
    let said = server.run(&["import", folder.to_str().unwrap()]).stderr;
    assert!(said.contains("directory") && !said.contains("no orchestrator answers"), "{said}");
    for (contents, says) in
        [("GET / HTTP/1.1", "it is no JSON, so no HTTP Archive"), ("{\"log\":", "or one that was cut off")]
    {
        server.run(&["import", &server.file("x.har", contents)]).fails(1, says);
    }
    let nowhere = server.path("none/x.har");
    let nowhere = nowhere.to_str().unwrap();
    server.run(&["export", "--output", nowhere]).fails(1, &format!("{nowhere}: No such file"));
}

#[test]
fn an_agent_is_named_as_listings_name_it() {
    let server = Server::with_key();
    let _agent = Agent::join(&server, "edge-1", content);
    let agents = server.run(&["agents", "--format", "json"]).json();
    let id = agents[0]["id"].as_str().unwrap();
    for which in ["edge-1", id, &id[id.len() - 8..]] {
        for command in [&["tunnels"][..], &["connections", "ended"], &["usage"]] {
            server.run(&[command, &["--agent", which]].concat()).ok();
        }
        server
            .run(&["tunnels", "--agent", "edge-2"])
            .fails(1, "there is no agent `edge-2`; `orchestrator agents` lists");
    }
}

#[test]
fn a_token_that_counts_no_more_is_told_with_what_to_do() {
    let server = Server::start();
    server.run(&["agents", "--token", "weir-token-none"]).fails(1, "it may have expired or been revoked");
}
