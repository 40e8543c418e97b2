//! Help texts are kept as files beside this one: a change of the command line shows in the diff of a change. Run with
//! `WEIR_BLESS=1` to write them anew.

use std::{fmt::Write as _, path::Path};

use crate::server::command;

#[test]
fn help_texts_are_as_agreed() {
    let mut all = weir_orchestrator::cli::command();
    all.build();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden");
    let mut differ = String::new();
    check(&mut all, &dir, &mut differ);
    assert!(differ.is_empty(), "WEIR_BLESS=1 writes them anew:\n{differ}");
}

fn check(of: &mut clap::Command, dir: &Path, differ: &mut String) {
    let name = of.get_bin_name().unwrap_or("orchestrator").replace(' ', "-");
    let path = dir.join(format!("{name}.txt"));
    // What the surroundings of a test say is no part of the text.
    let text = of.clone().mut_args(|argument| argument.hide_env_values(true)).render_long_help().to_string();
    let text: String = text.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n");
    if std::env::var_os("WEIR_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if golden != text {
        let _ = writeln!(differ, "--- {}\n{golden}+++ now\n{text}", path.display());
    }
    for inner in of.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        check(inner, dir, differ);
    }
}

#[test]
fn arguments_that_are_wrong_are_told_on_stderr_with_code_2() {
    let home = tempfile::TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(home.path()).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    for (arguments, says) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&["push-filter"], "<FILE>"),
        (&["filters", "show", "../etc"], "is not a name"),
        (&["join-token", "--expires-in", "soon"], "is no duration"),
        (
            &["traffic", "status:abc"],
            "query, column 8: expected a status such as 404, 4xx, 200..299 or >=400\n  status:abc\n         ^",
        ),
        (&["traffic", "method:GET hots:a"], "did you mean `host`?\n  method:GET hots:a\n             ^"),
        (&["traffic", "--follow", "--format", "har"], "a HAR file has an end"),
        (&["traffic", "host:a", "path:/b c"], "so quote it for the shell: 'host:a path:/b c'"),
        (&["traffic", "host:a", "it's", "-n", "3"], r"so quote it for the shell: 'host:a it'\''s'"),
        (&["traffic", "host:a", "--folow"], "a similar argument exists: '--follow'"),
        (&["export", "host:a", "or", "host:b"], "(`or` is one too many)"),
        (&["breakpoints", "add", "host:a", "path:/b"], "'host:a path:/b'"),
        (&["intercept", "host:a", "path:/b"], "'host:a path:/b'"),
        (&["retention", "keep", "host:a", "path:/b"], "'host:a path:/b'"),
        (&["retention", "drop", "host:a"], "--after <DURATION>"),
        (&["traffic", "-n", "x"], "--limit <N>: `x` is no whole number"),
        (&["traffic", "--limit=-1"], "--limit <N>: `-1` is too small"),
        (&["replay", "--wait", "99999999999999999999"], "--wait <S>: `99999999999999999999` is too large"),
        (
            &["serve", "--rest", "localhost:7080"],
            "--rest <ADDR>: `localhost:7080` is no address such as 127.0.0.1:7080",
        ),
        (&["agents", "--orchestrator", "ftp://127.0.0.1"], "expected http://HOST:PORT"),
        (&["serve", "--config", "/nonexistent"], "/nonexistent"),
        (&["serve", "--log", "a=b=c"], "--log a=b=c"),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
    let (code, stdout, stderr) = run(&["--version"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("orchestrator "), "{stdout}");
}

#[test]
fn a_server_that_is_not_there_is_named_and_how_to_start_one() {
    let home = tempfile::TempDir::new().unwrap();
    // Nobody listens there, and nobody is given it: one that was bound and let go may be somebody else's by now.
    let url = "http://127.0.0.1:1";
    let output = command(home.path()).args(["agents", "--orchestrator", url]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&format!("no orchestrator answers at {url}/: Connection refused")), "{stderr}");
    assert!(stderr.contains("`orchestrator serve` starts one"), "{stderr}");
}

#[test]
fn the_local_token_is_not_sent_to_servers_elsewhere() {
    let home = tempfile::TempDir::new().unwrap();
    let output = command(home.path()).args(["agents", "--orchestrator", "http://192.0.2.1:7080"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no token for http://192.0.2.1:7080/"), "{stderr}");
}
