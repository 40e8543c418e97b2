//! The commands that take and put back a backup.

use std::os::unix::fs::PermissionsExt as _;

use crate::server::Server;

#[test]
fn a_backup_is_read_back_and_says_what_it_holds() {
    let server = Server::with_key();
    let (file, keys) = (server.path("weir.backup"), server.path("weir.keys"));
    let (file, keys) = (file.to_str().unwrap(), keys.to_str().unwrap());
    let ran = server.run(&["backup", file, "--keys", keys]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("1 tokens"), "{}", ran.stderr);
    for private in [file, keys] {
        assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600, "{private}");
    }
    let key = std::fs::read_to_string(server.path("data").join("ca.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    assert!(std::fs::read_to_string(keys).unwrap().contains(key));
    let plain = zstd_of(file);
    assert!(plain.starts_with("{\"weir_backup\":1,") && !plain.contains(key), "{plain}");
    assert_eq!(server.run(&["restore", file, "--check"]).ok().trim(), "1 tokens, 1 audit");
    // Elsewhere, with the keys of before; twice it does not go.
    let into = server.path("elsewhere");
    let into = into.to_str().unwrap();
    server.run(&["restore", file, "--keys", keys, "--data-dir", into]).ok();
    let again = std::fs::read_to_string(server.path("elsewhere").join("ca.key")).unwrap();
    assert!(again.contains(key));
    server.run(&["restore", file, "--data-dir", into]).fails(1, "weir.db is there already");
    // Those of another are no help.
    let other = Server::start();
    let theirs = other.path("theirs");
    let piped = other.command(&["backup", "-", "--keys", theirs.to_str().unwrap()]).output().unwrap();
    assert!(zstd::decode_all(&piped.stdout[..]).unwrap().ends_with(b"\"}\n"), "the last line is there");
    let third = server.path("third");
    let third = third.to_str().unwrap();
    let refused = server.run(&["restore", file, "--keys", theirs.to_str().unwrap(), "--data-dir", third]);
    refused.fails(1, "of another certificate authority");
    server.run(&["restore", keys, "--data-dir", third]).fails(1, "no backup of an orchestrator");
}

fn zstd_of(file: &str) -> String {
    String::from_utf8(zstd::decode_all(std::fs::File::open(file).unwrap()).unwrap()).unwrap()
}
