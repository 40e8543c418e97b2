//! What the documents name is there: links lead somewhere, README has every command, the example configurations every key.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};
use weir_testkit::{binaries::binary, process::run};

/// Folders that hold what builds and tests leave.
const LEFT: [&str; 3] = ["target", "node_modules", ".tools"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit lies in the workspace")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file of the repository, in UTF-8")
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository").filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !LEFT.contains(&name.as_ref()) {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// As GitHub names the place of a heading.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text)
        .filter_map(|(_, line)| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|heading| heading.trim().to_lowercase().replace(|c| !kept(c), "").replace(' ', "-")).collect()
}

/// What stands in `[…](HERE)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    documents(root(), &mut found);
    assert!(found.len() > 50, "{found:?}");
    let mut broken = Vec::new();
    for document in &found {
        let text = read(document);
        for (line, target) in
            prose(&text).flat_map(|(number, line)| targets(line).map(move |target| (number + 1, target)))
        {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { document.clone() } else { document.with_file_name(path) };
            if !to.exists() || (!anchor.is_empty() && !anchors(&read(&to)).contains(anchor)) {
                broken.push(format!("{}:{line}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whether an address, with names for what it is about, is one of a path of the description.
fn is(address: &str, path: &str) -> bool {
    let (mut given, mut wanted) = (address.split('/'), path.split('/'));
    loop {
        match (given.next(), wanted.next()) {
            (None, None) => return true,
            (Some(_), Some(name)) if name.starts_with('{') => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[test]
fn addresses_of_rest_are_in_its_description() {
    let description = read(&root().join("orchestrator/tests/server/golden/openapi.json"));
    let description: serde_json::Value = serde_json::from_str(&description).expect("JSON");
    let paths: Vec<&String> = description["paths"].as_object().expect("paths").keys().collect();
    let (mut found, mut named) = (Vec::new(), 0);
    documents(root(), &mut found);
    for document in found {
        let text = read(&document);
        for rest in text.split("/api/v1/").skip(1) {
            let belongs = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '{' | '}' | '…');
            let rest: String = rest.chars().take_while(belongs).collect();
            let address = format!("/api/v1/{}", rest.trim_end_matches('/'));
            named += 1;
            let there = address == "/api/v1/" || paths.iter().any(|path| is(&address, path));
            assert!(there, "{}: {address} is not in the description", document.display());
        }
    }
    assert!(named > 30, "{named}");
}

async fn help(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    run(&binary(program)?, arguments, &[]).await?.ok()
}

#[tokio::test]
async fn the_readme_has_every_command() -> anyhow::Result<()> {
    let readme = read(&root().join("README.md"));
    let (_, commands) = readme.split_once("## The commands").expect("the section");
    for program in ["agent", "orchestrator"] {
        let lines = commands.lines().filter(|line| line.split(' ').next() == Some(program));
        let named: BTreeSet<&str> = lines.flat_map(str::split_whitespace).collect();
        let help = help(program, &["--help"]).await?;
        let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
        let list = list.lines().take_while(|line| !line.is_empty());
        for command in list.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help") {
            assert!(named.contains(command), "README does not have `{program} {command}`");
        }
    }
    Ok(())
}

/// Every key, with those that are commented out, as the variable that stands for it.
fn variables(table: &Table, prefix: &str, found: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = format!("{prefix}_{}", key.to_uppercase());
        match value {
            Value::Table(section) => variables(section, &name, found),
            _ => drop(found.insert(name)),
        }
    }
}

#[tokio::test]
async fn example_configurations_have_every_key() -> anyhow::Result<()> {
    // These say where the file is, or are the log's, which begins before it is read.
    const NO_KEYS: [&str; 4] = ["WEIR_AGENT_CONFIG", "WEIR_CONFIG", "WEIR_LOG", "WEIR_LOG_FORMAT"];
    for (program, command, prefix) in [("agent", "run", "WEIR_AGENT"), ("orchestrator", "serve", "WEIR")] {
        let text = read(&root().join(format!("examples/{program}.toml")));
        let is_key = |line: &str| {
            let word = line.split(" = ").next().filter(|_| line.contains(" = "));
            word.is_some_and(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_')) || line.starts_with('[')
        };
        let whole = text.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
        let whole: Table = whole.collect::<Vec<_>>().join("\n").parse()?;
        let mut there = BTreeSet::new();
        variables(&whole, prefix, &mut there);
        let help = help(program, &[command, "--help"]).await?;
        let known = help.split("[env: ").skip(1).filter_map(|rest| rest.split([']', '=']).next());
        let known: BTreeSet<String> = known.filter(|name| !NO_KEYS.contains(name)).map(str::to_owned).collect();
        assert!(known.len() > 30, "{known:?}");
        assert_eq!(there, known, "examples/{program}.toml on the left, `{program} {command} --help` on the right");
    }
    Ok(())
}
