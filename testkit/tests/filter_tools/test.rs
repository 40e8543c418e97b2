//! `agent filter test`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_testkit::{binaries, scratch::Scratch};

use super::filter;

fn cases(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("cases")
}

#[test]
fn cases_that_hold_are_told_with_what_they_cost() -> anyhow::Result<()> {
    let (file, cases) = (binaries::filter("block")?, cases("filters/block"));
    let answer = filter(["test".as_ref(), file.as_os_str(), cases.as_os_str()])?;
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{}", answer.stdout);
    let count = weir_golden::folder(&cases)?.len();
    assert!(answer.stdout.ends_with(&format!("{count} cases: {count} ok, 0 failed\n")), "{}", answer.stdout);
    assert!(answer.stdout.contains(" µs in "), "{}", answer.stdout);

    let words = ["test".as_ref(), file.as_os_str(), cases.as_os_str(), "--json".as_ref()];
    let document: Value = serde_json::from_str(&filter(words)?.stdout)?;
    assert_eq!((&document["passed"], &document["failed"]), (&count.into(), &0.into()));
    let ran = document["cases"].as_array().into_iter().flatten().find(|case| case["calls"] != 0).cloned();
    assert!(ran.is_some_and(|case| case["time_us"].as_f64() > Some(0.0)), "{document}");
    Ok(())
}

#[test]
fn a_case_that_does_not_hold_shows_the_difference() -> anyhow::Result<()> {
    let scratch = Scratch::new("test-diff")?;
    let file = binaries::filter("hello-c")?;
    let folder = scratch.join("cases");
    std::fs::create_dir(&folder)?;
    let case = "# Marked.\n\n### request\nGET http://a/\n\n### expect\npass\n\n### forwarded\nGET http://a/\nx-seen: 0\n\n\
                ### received\n200\nx-hello: from somewhere\n";
    std::fs::write(folder.join("marked.http"), case)?;
    std::fs::write(folder.join("other.http"), case.replace("somewhere", "c"))?;
    let answer = filter(["test".as_ref(), file.as_os_str(), folder.as_os_str()])?;
    assert_eq!(answer.code, 1);
    let difference = "Marked.\n        response as received:\n            200\n          - x-hello: from somewhere\n          \
                      + x-hello: from c\n";
    assert!(answer.stdout.contains(difference), "no\n{difference}in\n{}", answer.stdout);
    assert!(answer.stdout.starts_with("FAILED  marked  "), "{}", answer.stdout);
    assert!(answer.stdout.contains("\nok      other   "), "{}", answer.stdout);
    assert!(answer.stdout.ends_with("2 cases: 1 ok, 1 failed\n"), "{}", answer.stdout);

    let only = |pattern: &str| {
        filter(["test".as_ref(), file.as_os_str(), folder.as_os_str(), "--filter-name".as_ref(), pattern.as_ref()])
    };
    assert_eq!(only("oth*")?.code, 0);
    assert_eq!(only("ark")?.code, 1);
    let none = only("zebra")?;
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("no case is named `zebra`: there is marked, other"), "{}", none.stderr);
    Ok(())
}

#[test]
fn what_misbehaves_is_told_with_phase_and_reason() -> anyhow::Result<()> {
    let scratch = Scratch::new("test-rogue")?;
    let file = binaries::filter("rogue")?;
    for (at, fault, says) in [
        ("request-head", "loop", "failed in on-request-head: it used more than 50 ms of CPU time"),
        ("request-body", "memory", "failed in on-body: it asked for "),
        ("response-head", "trap", "failed in on-response-head: "),
        ("response-body", "panic", "log: error: "),
        ("done", "loop", "failed in on-done: it used more than 50 ms of CPU time"),
        ("configure", "trap", "refused in "),
    ] {
        let folder = scratch.join(format!("{at}-{fault}"));
        std::fs::create_dir(&folder)?;
        let case = format!(
            "# {fault} in {at}.\n\n### config\n{{\"at\":\"{at}\",\"fault\":\"{fault}\"}}\n\n### request\nPOST http://a/\n\na\n\n\
             ### upstream\n200\n\nb\n\n### expect\npass\n"
        );
        std::fs::write(folder.join("case.http"), case)?;
        // to fill 64 MiB may take more CPU time than a hook has, on a slow machine
        let limits = if fault == "memory" { "[limits]\ncpu_ms = 5000\n" } else { "" };
        let config = scratch.write(&format!("{at}-{fault}.toml"), limits)?;
        let answer =
            filter(["test".as_ref(), file.as_os_str(), folder.as_os_str(), "--config".as_ref(), config.as_os_str()])?;
        assert_eq!(answer.code, 1, "{at} {fault}: {}{}", answer.stdout, answer.stderr);
        assert!(answer.stdout.contains("  - pass\n          + fail (filter rogue version 1 "), "{}", answer.stdout);
        assert!(answer.stdout.contains(says), "{at} {fault}: no `{says}` in\n{}", answer.stdout);
    }
    Ok(())
}

#[test]
fn the_limits_of_the_file_beside_it_count() -> anyhow::Result<()> {
    let scratch = Scratch::new("test-config")?;
    let (file, cases) = (binaries::filter("hello-c")?, scratch.join("cases"));
    std::fs::create_dir(&cases)?;
    std::fs::write(
        cases.join("blocked.http"),
        "### request\nGET http://a/b\n\n### expect\nrespond\n\n### received\n403\ncontent-type: text/plain\n\n| blocked by \
         hello-c\\n\n",
    )?;
    let test = |config: &Path| {
        filter(["test".as_ref(), file.as_os_str(), cases.as_os_str(), "--config".as_ref(), config.as_os_str()])
    };
    let json = scratch.write("a.json", r#"{"block":"/b"}"#)?;
    assert_eq!(test(&json)?.code, 0);
    let toml = scratch.write("a.toml", "config = { block = \"/b\" }\n[limits]\nanswer_bytes = 4\n")?;
    let answer = test(&toml)?;
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("its answer has 19 bytes, more than 4"), "{}", answer.stdout);
    for (config, says) in [("b.toml", "b.toml:1: unknown field `prio`"), ("b.json", "config is not JSON")] {
        let answer = test(&scratch.write(config, "prio = 1\n")?)?;
        assert_eq!(answer.code, 2);
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
    }
    Ok(())
}

#[test]
fn what_cannot_be_run_is_misuse_or_a_filter_that_no_agent_would_load() -> anyhow::Result<()> {
    let scratch = Scratch::new("test-misuse")?;
    let (good, cases) = (binaries::filter("block")?, cases("filters/block"));
    let core = super::core_module()?;
    let answer = filter(["test".as_ref(), core.as_os_str(), cases.as_os_str()])?;
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("no agent would load it: parse: this is a core module"), "{}", answer.stderr);
    let empty = scratch.join("empty");
    std::fs::create_dir(&empty)?;
    let wrong = scratch.join("wrong");
    std::fs::create_dir(&wrong)?;
    std::fs::write(wrong.join("a.http"), "### request\nGET nowhere\n")?;
    for (folder, says) in
        [(&empty, "no cases (*.http) in"), (&wrong, "a.http: line 2: "), (&scratch.join("no"), "No such file")]
    {
        let answer = filter(["test".as_ref(), good.as_os_str(), folder.as_os_str()])?;
        assert_eq!(answer.code, 2);
        assert!(answer.stderr.contains(says), "no `{says}` in {}", answer.stderr);
    }
    Ok(())
}

/// Calls of a filter with streams come to what the case says, wherever it makes them.
#[test]
fn filters_with_streams_call_as_others_do() -> anyhow::Result<()> {
    let scratch = Scratch::new("test-stream-calls")?;
    let (file, cases) = (binaries::filter("streaming")?, scratch.join("cases"));
    std::fs::create_dir(&cases)?;
    let oracle = "### call oracle\n200\n\n| 8 bytes.";
    let field = |what: &str| format!("x-streaming: {what}\nx-question: /a\n");
    std::fs::write(
        cases.join("heads.http"),
        format!(
            "### config\n{{}}\n\n### request\nGET http://a/b\n{0}\n{oracle}\n\n### upstream\n204\n\n### expect\npass\n\n### forwarded\n\
             GET http://a/b\n{0}x-asked: 200, 8 bytes\n\n### received\n204\nx-seen: 1\nx-answer: 200, 8 bytes\n",
            field("ask")
        ),
    )?;
    std::fs::write(
        cases.join("body.http"),
        format!(
            "### config\n{{}}\n\n### request\nPOST http://a/b\n{0}\n| one\n\n{oracle}\n\n### upstream\n204\n\n### expect\npass\n\n### forwarded\n\
             POST http://a/b\n{0}\n| 8 bytes.\n\n### received\n204\nx-seen: 1\n",
            field("ask-each")
        ),
    )?;
    let answer = filter(["test".as_ref(), file.as_os_str(), cases.as_os_str()])?;
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    std::fs::write(
        cases.join("nobody.http"),
        format!("### config\n{{}}\n\n### request\nGET http://a/b\n{}\n### expect\npass\n", field("ask")),
    )?;
    let answer = filter(["test".as_ref(), file.as_os_str(), cases.as_os_str()])?;
    assert_eq!(answer.code, 1, "{}{}", answer.stdout, answer.stderr);
    Ok(())
}
