//! new-filter: what it writes, and what it does not. That it builds is for `cargo xtask new-filters`.

use std::fs;

use crate::server::command;

#[test]
fn a_project_is_written_and_the_next_commands_are_told() {
    let home = tempfile::tempdir().unwrap();
    let new = |words: &[&str]| {
        let output = command(home.path()).arg("new-filter").args(words).current_dir(home.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    for language in ["rust", "js", "python", "c", "go"] {
        let name = format!("my-{language}");
        let (code, stdout, stderr) = new(&[&name, "--lang", language]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(
            stdout.contains(&format!("cd {name}\n  ./build.sh\n  agent filter test {name}.wasm cases")),
            "{stdout}"
        );
        let readme = fs::read_to_string(home.path().join(&name).join("README.md")).unwrap();
        assert!(readme.contains(&format!("orchestrator push-filter {name}.wasm")), "{readme}");
        assert!(home.path().join(&name).join("schema.json").exists());
    }

    fs::write(home.path().join("my-c/filter.c"), "mine").unwrap();
    let (code, _, stderr) = new(&["my-c", "--lang", "go"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("my-c is there already"), "{stderr}");
    assert_eq!(fs::read_to_string(home.path().join("my-c/filter.c")).unwrap(), "mine");
    assert!(!home.path().join("my-c/go.mod").exists());

    let (code, stdout, _) = new(&["deep", "--lang", "c", "--dir", "a/b"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("cd a/b/deep"), "{stdout}");

    for (words, says) in [
        (&["My_Filter", "--lang", "c"][..], "did you mean `my-filter`?"),
        (&["../out", "--lang", "c"], "is no name for a new filter"),
        (&["a", "--lang", "cobol"], "possible values: rust, js, python, c, go"),
        (&["a"], "--lang <LANGUAGE>"),
    ] {
        let (code, stdout, stderr) = new(words);
        assert_eq!((code, stdout.as_str()), (2, ""), "{words:?}");
        assert!(stderr.contains(says), "{words:?}: {stderr}");
    }
    assert!(!home.path().parent().unwrap().join("out").exists());
}
