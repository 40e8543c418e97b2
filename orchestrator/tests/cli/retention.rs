//! `orchestrator retention`.

use crate::server::Server;

#[test]
fn rules_are_made_shown_and_taken_away() {
    let server = Server::start();
    let made = server.run(&["retention", "drop", "host:static.example type:image/*", "--after", "90m"]).ok();
    assert_eq!(made, "drop after 90m: host:static.example type:image/*\n");
    server.run(&["retention", "keep", "status:5xx"]).ok();
    let shown = server.run(&["retention"]).ok();
    for part in
        ["kept: 30d of age, 10000000 exchanges, 21.4 GB", "held: 0 exchanges", "90m", "host:static.example", "keep"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = server.run(&["retention", "show", "--format", "json"]).json();
    assert_eq!(json["rules"][0]["after_s"], 5400);
    assert_eq!(json["rules"][1]["action"], "keep");
    server.run(&["retention", "keep", "status:abc"]).fails(2, "status");
    server.run(&["retention", "drop", "", "--after", "1h"]).fails(1, "fits everything");
    server.run(&["retention", "remove", "3"]).fails(2, "there is no rule 3");
    assert_eq!(
        server.run(&["retention", "remove", "1"]).ok(),
        "removed: drop after 90m: host:static.example type:image/*\n"
    );
    assert_eq!(server.run(&["retention", "show", "--format", "json"]).json()["rules"].as_array().unwrap().len(), 1);
}

#[test]
fn rules_that_several_make_at_once_are_all_made() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for n in 0..5 {
            let server = &server;
            scope
                .spawn(move || server.run(&["retention", "drop", &format!("host:n{n}.example"), "--after", "0s"]).ok());
        }
    });
    assert_eq!(server.run(&["retention", "show", "--format", "json"]).json()["rules"].as_array().unwrap().len(), 5);
}
