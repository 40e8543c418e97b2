use clap::FromArgMatches as _;

use super::*;
use crate::config::{Allowed, LogFormat};

/// What the file and the command line together come to.
fn load_from(text: &str, flags: &[&str]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.toml");
    std::fs::write(&path, text).unwrap();
    let matches = known_keys().try_get_matches_from([&["agent"], flags].concat()).unwrap();
    let settings = Settings::from_arg_matches(&matches).unwrap();
    load(settings, &matches, Some(&path)).map_err(|faults| faults.to_string().replace(dir.path().to_str().unwrap(), ""))
}

fn check(text: &str, expect: &[&str]) {
    let faults = load_from(text, &[]).unwrap_err();
    assert_eq!(faults.lines().collect::<Vec<_>>(), expect, "{text}");
}

#[test]
fn a_section_without_a_key_is_no_fault() {
    load_from(
        "[client]\n[upstream]\n# ca = \"ca.pem\"\n[intercept]\n[targets]\n[capture]\n[metrics]\n[control]\n[log]\n",
        &[],
    )
    .unwrap();
}

#[test]
fn faults_name_file_line_and_key() {
    check(
        "lisen = \"a\"\n\n[client]\nheadbytes = 1\n[nothing]\nx = 1\n[empty]\n",
        &[
            "/agent.toml:1: lisen: there is no such key; `agent run --help` has those there are",
            "/agent.toml:4: client.headbytes: there is no such key; `agent run --help` has those there are",
            "/agent.toml:6: nothing.x: there is no such key; `agent run --help` has those there are",
            "/agent.toml:7: empty: there is no such key; `agent run --help` has those there are",
        ],
    );
    check(
        "workers = 0\nlisten = \"here\"\n[client]\n# small\nhead_bytes = 12\n",
        &[
            "/agent.toml:2: listen: `here` is not an address such as 127.0.0.1:8080",
            "/agent.toml:1: workers: 0 is out of range: 1 to 256",
            "/agent.toml:5: client.head_bytes: 12 is out of range: 4KiB to 1MiB",
        ],
    );
    check(
        "workers = \"two\"\n[client]\nhead_timeout = 5\n",
        &[
            "/agent.toml:1: workers: invalid type: string \"two\", expected usize",
            "/agent.toml:3: client.head_timeout: invalid type: integer `5`, expected a time with its unit, such as \"30s\"",
        ],
    );
    check(
        "[intercept]\npass_through = [\n  \"a.example\",\n  \"a b\",\n]\n",
        &[
            "/agent.toml:2: intercept.pass_through: `a b` is not a target such as example.com, *.example.com:8443, 10.0.0.0/8 or [::1]:80",
        ],
    );
    check("listen = \"127.0.0.1:8080\"\nlisten = \"127.0.0.1:8081\"\n", &["/agent.toml:2: duplicate key"]);
    check("client = 5\n", &["/agent.toml:1: client: there is no such key; `agent run --help` has those there are"]);
    check(
        "[client]\nhead_timeout = \"5 parsecs\"\n",
        &["/agent.toml:2: client.head_timeout: `5 parsecs` is not a time such as 250ms, 30s, 5m or 1h"],
    );
}

#[test]
fn combinations_that_cannot_be_are_faults() {
    check(
        "join_token = \"x\"\n",
        &["/agent.toml:1: join_token: not a join token: it does not begin with weir-join-1."],
    );
    check(
        "orchestrator = \"http://127.0.0.1:7443\"\n",
        &["/agent.toml:1: orchestrator: `http://127.0.0.1:7443` is not of the form https://HOST:PORT"],
    );
    check(
        "listen = \"127.0.0.1:9\"\nadmin = \"127.0.0.1:9\"\n",
        &["/agent.toml:2: admin: 127.0.0.1:9 is where clients connect already (listen)"],
    );
    check(
        "[intercept]\nenabled = false\npass_through = [\"a\"]\n",
        &["/agent.toml:3: intercept.pass_through: nothing is intercepted, since intercept.enabled is false"],
    );
    check(
        "[capture]\nbody_bytes = \"1MiB\"\nqueue_bytes = \"2MiB\"\n",
        &["/agent.toml:2: capture.body_bytes: capture.queue_bytes is 2MiB: four bodies of 1MiB would not fit into it"],
    );
    check(
        "[log]\nlevel = \"weir=loud\"\n",
        &[
            "/agent.toml:2: log.level: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ],
    );
}

#[test]
fn files_that_are_named_have_to_be_there() {
    check(
        "trust_keys = [\"a.pub\"]\nfilters = \"none\"\n[upstream]\nca = \"roots.pem\"\n",
        &[
            "/agent.toml:2: filters: /none is not a folder",
            "/agent.toml:1: trust_keys: /a.pub: No such file or directory (os error 2)",
            "/agent.toml:4: upstream.ca: /roots.pem: No such file or directory (os error 2)",
        ],
    );
}

#[test]
fn flags_win_over_the_file_and_faults_say_so() {
    let text = "listen = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\n[log]\nformat = \"json\"\n";
    let config = load_from(text, &["--listen", "127.0.0.1:3", "--client-head-bytes", "8KiB"]).unwrap();
    assert_eq!((config.listen.port(), config.admin.port(), config.client.head_bytes), (3, 2, 8192));
    assert_eq!(config.log.format, LogFormat::Json);
    let fault = load_from(text, &["--client-head-bytes", "1"]).unwrap_err();
    assert_eq!(fault, "--client-head-bytes: 1 is out of range: 4KiB to 1MiB");
    let fault = load_from(text, &["--admin", "127.0.0.1:1"]).unwrap_err();
    assert_eq!(fault, "--admin: 127.0.0.1:1 is where clients connect already (listen)");
}

#[test]
fn paths_in_a_file_are_meant_from_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("filters")).unwrap();
    let path = dir.path().join("agent.toml");
    std::fs::write(&path, "filters = \"filters\"\ndata_dir = \"data\"\n").unwrap();
    let config = check_file(&path).unwrap();
    assert_eq!(config.filters, Some(dir.path().join("filters")));
    assert_eq!(config.data_dir, dir.path().join("data"));
}

#[test]
fn a_misspelt_variable_is_a_fault() {
    let names = ["WEIR_AGENT_LISTEN", "WEIR_AGENT_CONFIG", "WEIR_AGENT_LIMIT", "WEIR_TOKEN", "PATH"];
    let faults = unknown_variables(names.into_iter().map(str::to_owned));
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(texts, ["WEIR_AGENT_LIMIT: there is no such variable"]);
}

#[test]
fn every_key_has_a_flag_and_a_variable_of_its_name() {
    let keys = known_keys();
    for argument in keys.get_arguments().filter(|argument| argument.get_id() != "help") {
        let key = argument.get_id().as_str();
        let flag = argument.get_long().unwrap();
        assert!(flag == key.replace(['.', '_'], "-") || flag == "trust-key", "{key} has --{flag}");
        let variable = format!("WEIR_AGENT_{}", key.replace('.', "_").to_uppercase());
        assert_eq!(argument.get_env().unwrap().to_str(), Some(variable.as_str()));
    }
}

#[test]
fn the_default_is_a_configuration_that_can_be_used() {
    let config = load_from("", &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.orchestrator.is_none() && config.workers >= 1);
    assert!(config.data_dir.ends_with("weir/agent"));
}

#[test]
fn what_an_orchestrator_may_ask_is_written_down() {
    let allow = |text: &str, flags: &[&str]| load_from(text, flags).unwrap().control.allow;
    assert_eq!(allow("", &[]), [Allowed::Connections]);
    assert_eq!(
        allow("[control]\nallow = [\"replay\", \"breakpoints\"]\n", &[]),
        [Allowed::Replay, Allowed::Breakpoints]
    );
    assert_eq!(allow("[control]\nallow = []\n", &[]), []);
    assert_eq!(allow("[control]\nallow = [\"replay\"]\n", &["--allow", "none"]), []);
    check("[control]\nallow = [\"none\", \"replay\"]\n", &["/agent.toml:2: control.allow: `none` stands by itself"]);
    check(
        "[control]\nallow = [\"all\"]\n",
        &[
            "/agent.toml:2: control.allow: unknown variant `all`, expected one of `none`, `connections`, `replay`, `breakpoints`",
        ],
    );
}
