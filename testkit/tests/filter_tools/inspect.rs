//! `agent filter inspect`.

use serde_json::Value;
use weir_testkit::{binaries, component, scratch::Scratch};

use super::{core_module, filter};

#[test]
fn what_loads_is_described() -> anyhow::Result<()> {
    let file = binaries::filter("hello-c")?;
    let answer = filter(["inspect".as_ref(), file.as_os_str()])?;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    for line in [
        "form      component, 2",
        "digest    sha256:",
        "world     weir:filter/filter",
        "contract  0.1.0",
        "exports   events, lifecycle",
        "imports   http",
        "at start",
        "its limit is 64.0 MiB",
        "loads     yes: compiled in ",
        "sees      request head, request body (observe), response head",
    ] {
        assert!(answer.stdout.contains(line), "no `{line}` in\n{}", answer.stdout);
    }
    Ok(())
}

#[test]
fn a_middleware_is_described_as_what_it_is() -> anyhow::Result<()> {
    let answer = filter(["inspect".as_ref(), binaries::filter("middleware")?.as_os_str()])?;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    for line in
        ["world     wasi:http/middleware", "contract  none of ours", "needs     clock", "loads     yes: compiled in "]
    {
        assert!(answer.stdout.contains(line), "no `{line}` in\n{}", answer.stdout);
    }
    Ok(())
}

#[test]
fn a_filter_with_streams_is_described_as_what_it_is() -> anyhow::Result<()> {
    let answer = filter(["inspect".as_ref(), binaries::filter("streaming-throttle")?.as_os_str()])?;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    for line in [
        "world     weir:filter/stream-filter",
        "contract  0.1.0",
        "exports   lifecycle, streaming",
        "needs     log, timer",
        "loads     yes: compiled in ",
    ] {
        assert!(answer.stdout.contains(line), "no `{line}` in\n{}", answer.stdout);
    }
    Ok(())
}

/// There is no exchange yet that could wait.
#[test]
fn a_filter_that_sleeps_where_it_is_configured_is_not_loaded() -> anyhow::Result<()> {
    let file = binaries::filter("streaming")?;
    let scratch = Scratch::new("sleeps-where-configured")?;
    let config = scratch.join("config.json");
    std::fs::write(&config, r#"{"naps":true}"#)?;
    let answer = filter(["inspect".as_ref(), file.as_os_str(), "--config".as_ref(), config.as_os_str()])?;
    assert!(answer.code != 0 && !answer.stderr.contains("panicked"), "{}{}", answer.stdout, answer.stderr);
    assert!(answer.stdout.contains("there is nothing to wait for"), "{}", answer.stdout);
    Ok(())
}

#[test]
fn programs_get_a_document() -> anyhow::Result<()> {
    let file = binaries::filter("rogue")?;
    let scratch = Scratch::new("inspect-json")?;
    let config = scratch.write("rogue.json", r#"{"at":"request-head","fault":"loop"}"#)?;
    let words = ["inspect".as_ref(), file.as_os_str(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()];
    let answer = filter(words)?;
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    let document: Value = serde_json::from_str(&answer.stdout)?;
    assert_eq!((&document["form"], &document["loads"]), (&"component".into(), &true.into()));
    assert_eq!(document["needs"], serde_json::json!(["log"]));
    assert_eq!(document["memory"]["limit"], 64 << 20);
    assert!(document["compile_us"].as_u64() > Some(0) && document["start_us"].as_u64() > Some(0), "{document}");
    assert_eq!(document["sees"][1], "request body (observe)");
    Ok(())
}

#[test]
fn what_does_not_load_is_described_too_with_the_reason() -> anyhow::Result<()> {
    let scratch = Scratch::new("inspect-bad")?;
    let good = std::fs::read(binaries::filter("hello-c")?)?;
    for (name, bytes, says) in [
        ("text", b"#!/bin/sh\n".to_vec(), "loads     no: refused in parse: these bytes are not WebAssembly"),
        ("core", std::fs::read(core_module()?)?, "this is a core module, not a component: `agent filter build` makes"),
        ("half", good[..good.len() / 2].to_vec(), "form      damaged, "),
        ("empty", component::EMPTY.to_vec(), "refused in world: it does not export weir:filter/lifecycle@0.1.0"),
        ("moon", component::importing(&good, "moon-phase"), "it imports moon-phase, which no agent offers"),
    ] {
        let file = scratch.write(&format!("{name}.wasm"), bytes)?;
        let answer = filter(["inspect".as_ref(), file.as_os_str()])?;
        assert_eq!(answer.code, 1, "{name}: {}{}", answer.stdout, answer.stderr);
        assert!(answer.stdout.contains(says), "{name}: no `{says}` in\n{}", answer.stdout);
        let answer = filter(["inspect".as_ref(), file.as_os_str(), "--json".as_ref()])?;
        let document: Value = serde_json::from_str(&answer.stdout)?;
        assert_eq!((answer.code, &document["loads"]), (1, &false.into()));
        assert!(document["refused"]["reason"].is_string(), "{document}");
    }
    Ok(())
}

#[test]
fn a_configuration_that_is_refused_is_told_with_its_place() -> anyhow::Result<()> {
    let file = binaries::filter("hello-c")?;
    let scratch = Scratch::new("inspect-config")?;
    let config = scratch.write("hello.toml", "config = { block = \"x\" }\n")?;
    let answer = filter(["inspect".as_ref(), file.as_os_str(), "--config".as_ref(), config.as_os_str()])?;
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("config    refused at /block: a path begins with `/`"), "{}", answer.stdout);
    // a capability that the file does not grant is one that an agent would not give
    let config = scratch.write("rogue.toml", "grants = []\n")?;
    let file = binaries::filter("rogue")?;
    let answer = filter(["inspect".as_ref(), file.as_os_str(), "--config".as_ref(), config.as_os_str()])?;
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("refused in grants: it imports weir:filter/log@0.1.0"), "{}", answer.stdout);
    Ok(())
}

#[test]
fn files_that_cannot_be_read_are_named() -> anyhow::Result<()> {
    let scratch = Scratch::new("inspect-files")?;
    let answer = filter(["inspect", "/nonexistent/a.wasm"])?;
    assert_eq!(answer.code, 2);
    assert_eq!(answer.stderr, "agent: /nonexistent/a.wasm: No such file or directory (os error 2)\n");
    let answer = filter(["inspect".as_ref(), scratch.join("").as_os_str()])?;
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("this is a folder"), "{}", answer.stderr);
    let large = scratch.write("large.wasm", vec![0; (64 << 20) + 1])?;
    let answer = filter(["inspect".as_ref(), large.as_os_str()])?;
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("agents take no component above 64.0 MiB"), "{}", answer.stderr);
    assert_eq!(filter(["inspect"])?.code, 2);
    assert_eq!(filter(["nonsense"])?.code, 2);
    Ok(())
}
