//! serve: what it makes of the process it is started as.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::server::command;

#[test]
fn a_misspelt_variable_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let serve = |name: &str| {
        let mut serve = command(dir.path());
        // refused for the address, where not for the variable
        let output = serve.args(["serve", "--rest", "0.0.0.0:0"]).env(name, "1").output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = serve("WEIR_RETENTION_HUORS");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("WEIR_RETENTION_HUORS: there is no such variable"), "{said}");
    for known in ["WEIR_RETENTION_HOURS", "WEIR_TOKEN", "WEIR_KEY_DIR", "WEIR_AGENT_LIMIT"] {
        assert!(!serve(known).1.contains("no such variable"));
    }
}

#[test]
fn it_takes_as_many_open_files_as_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = command(dir.path());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "ulimit -S -n 64; exec \"$0\" \"$@\""]).arg(server.get_program()).args([
        "serve",
        "--rest",
        "127.0.0.1:0",
        "--grpc",
        "127.0.0.1:0",
        "--data-dir",
    ]);
    let mut child =
        shell.arg(dir.path().join("data")).env_clear().env("HOME", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.starts_with("orchestrator ready"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ready);
    let limits = limits.unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard, ..] = files.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{files}") };
    assert_eq!(soft, hard);
}
