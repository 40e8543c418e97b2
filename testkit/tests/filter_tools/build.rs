//! `agent filter build`.

use std::fs;

use weir_testkit::{binaries, component, scratch::Scratch};

use super::{core_module, filter};

#[test]
fn a_core_module_becomes_a_component_that_passes_its_cases() -> anyhow::Result<()> {
    let scratch = Scratch::new("build")?;
    let out = scratch.join("hello-filter.wasm");
    let answer = filter(["build".as_ref(), core_module()?.as_os_str(), "-o".as_ref(), out.as_os_str()])?;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    assert!(answer.stdout.contains("hello-filter.wasm: component, "), "{}", answer.stdout);
    assert_eq!(fs::read(&out)?, fs::read(binaries::filter("hello-filter")?)?, "not what `cargo xtask filters` makes");
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/hello-filter/cases");
    let answer = filter(["test".as_ref(), out.as_os_str(), cases.as_ref()])?;
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    Ok(())
}

#[test]
fn without_a_place_it_takes_the_modules_and_does_nothing_twice() -> anyhow::Result<()> {
    let scratch = Scratch::new("build-in-place")?;
    let file = scratch.write("hello.wasm", fs::read(core_module()?)?)?;
    assert_eq!(filter(["build".as_ref(), file.as_os_str()])?.code, 0);
    let component = fs::read(&file)?;
    let answer = filter(["build".as_ref(), file.as_os_str()])?;
    assert_eq!(answer.code, 0);
    assert!(answer.stdout.contains("is a component already"), "{}", answer.stdout);
    assert_eq!(fs::read(&file)?, component);
    let copy = scratch.join("copy.wasm");
    assert_eq!(filter(["build".as_ref(), file.as_os_str(), "--output".as_ref(), copy.as_os_str()])?.code, 0);
    assert_eq!(fs::read(&copy)?, component);
    let left: Vec<_> =
        fs::read_dir(scratch.join(""))?.map(|entry| entry.map(|it| it.file_name())).collect::<Result<_, _>>()?;
    assert_eq!(left.len(), 2, "something was left over: {left:?}");
    Ok(())
}

#[test]
fn what_does_not_become_a_filter_is_refused_and_left_alone() -> anyhow::Result<()> {
    let scratch = Scratch::new("build-bad")?;
    let good = fs::read(binaries::filter("hello-c")?)?;
    let module = |text: &str| wat::parse_str(text).map_err(anyhow::Error::from);
    let socket = r#"(module (import "env" "open_socket" (func))
        (func (export "weir:filter/events@0.1.0#on-done") (param i32 i32)))"#;
    for (name, bytes, says) in [
        ("text", b"#!/bin/sh\n".to_vec(), "these bytes are not WebAssembly"),
        ("half", good[..good.len() / 2].to_vec(), "this is damaged, or only half of it: "),
        ("nothing", component::CORE_MODULE.to_vec(), "the module exports no interface of the contract"),
        ("socket", module(socket)?, "the module imports `env` `open_socket`, which is neither of the contract nor of"),
        ("empty", component::EMPTY.to_vec(), "it does not export weir:filter/lifecycle@0.1.0"),
        ("moon", component::importing(&good, "moon-phase"), "it imports moon-phase, which no agent offers"),
    ] {
        let file = scratch.write(&format!("{name}.wasm"), &bytes)?;
        let answer = filter(["build".as_ref(), file.as_os_str()])?;
        assert_eq!(answer.code, 1, "{name}: {}{}", answer.stdout, answer.stderr);
        assert!(answer.stderr.contains(says), "{name}: no `{says}` in\n{}", answer.stderr);
        assert!(answer.stderr.contains(&format!("{name}.wasm: ")), "{}", answer.stderr);
        assert_eq!(fs::read(&file)?, bytes, "{name} was touched");
    }
    let nowhere = scratch.join("no/such/folder.wasm");
    let answer = filter(["build".as_ref(), core_module()?.as_os_str(), "-o".as_ref(), nowhere.as_os_str()])?;
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("folder.wasm: No such file or directory"), "{}", answer.stderr);
    Ok(())
}
