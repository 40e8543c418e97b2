//! What `orchestrator new-filter` writes builds and passes its cases, outside the repository, with the tools that are set up here.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Language, c, go, python,
    tools::{Tools, run},
};
use crate::setup::WasmCargo;

/// Begins, builds and tests a filter in each language; the answer is what failed.
pub(crate) fn check(target: &Path) -> anyhow::Result<Vec<String>> {
    let scratch = env::temp_dir().join(format!("weir-new-filters-{}", std::process::id()));
    let programs = target.join("debug");
    let tools = target.join("guests");
    let mut failed = Vec::new();
    for language in [None].into_iter().chain(Language::ALL.map(Some)) {
        let word = language.map_or("rust", Language::name);
        eprintln!("new filter in {word}");
        let begun = Begun { word, scratch: &scratch, programs: &programs, tools: &tools };
        if let Err(error) = begun.check(language) {
            eprintln!("{error:#}");
            failed.push(format!("new filter in {word}"));
        }
    }
    let _ = fs::remove_dir_all(scratch);
    Ok(failed)
}

/// A module that uses a capability which the filter's file does not name, and how that file imports it: for languages whose build asks
/// the modules what they need.
fn second_file(language: Language) -> Option<(&'static str, &'static str, &'static str)> {
    match language {
        Language::JavaScript => Some(("kept.js", "import { kv } from \"weir/kv\";\nkv;\n", "import \"./kept.js\";")),
        Language::Python => Some(("kept.py", "from weir import kv\n", "import kept  # noqa")),
        Language::C | Language::Go => None,
    }
}

struct Begun<'a> {
    word: &'a str,
    scratch: &'a Path,
    programs: &'a Path,
    tools: &'a Path,
}

impl Begun<'_> {
    fn check(&self, language: Option<Language>) -> anyhow::Result<()> {
        let name = format!("my-{}", self.word);
        let mut begin = Command::new(self.programs.join("orchestrator"));
        begin.args(["new-filter", &name, "--lang", self.word, "--dir"]).arg(self.scratch);
        run("orchestrator new-filter", &mut begin)?;
        let project = self.scratch.join(&name);
        run("build.sh", &mut self.build(&project, language)?)?;
        let mut test = Command::new(self.programs.join("agent"));
        test.args(["filter", "test"]).arg(format!("{name}.wasm")).arg("cases").current_dir(&project);
        run("agent filter test", &mut test)?;
        if let Some((module, text, import)) = language.and_then(second_file) {
            fs::write(project.join(module), text)?;
            let source = project.join(language.map_or("", Language::source));
            let first = fs::read_to_string(&source)?;
            fs::write(&source, format!("{first}\n{import}\n"))?;
            run("build.sh, two files", &mut self.build(&project, language)?)?;
            let imports = weir_adapter::imports(&fs::read(project.join(format!("{name}.wasm")))?)?;
            anyhow::ensure!(imports.iter().any(|import| import.starts_with("weir:filter/kv@")), "{imports:?} lacks kv");
        }
        if language.is_none() {
            // what an author does all day; here the SDK comes along too
            run("cargo test", Command::new("cargo").args(["test", "--quiet"]).current_dir(&project))?;
        }
        Ok(())
    }

    fn build(&self, project: &Path, language: Option<Language>) -> anyhow::Result<Command> {
        let tools = Tools::new(self.tools);
        let cache = |name: &str| -> PathBuf { tools.cache(name) };
        let mut build = Command::new(project.join("build.sh"));
        build.env("AGENT", self.programs.join("agent")).env("TOOLS", self.tools);
        match language {
            None => WasmCargo::set_up()?.tell(&mut build),
            Some(Language::C) => {
                tools.python(c::TOOLS)?;
                build.env("ZIG_GLOBAL_CACHE_DIR", cache("zig")).env("ZIG_LOCAL_CACHE_DIR", cache("zig"));
            }
            Some(Language::Go) => {
                tools.python(go::TOOLS)?;
                build.env("GOCACHE", cache("go")).env("GOPATH", cache("gopath"));
            }
            Some(Language::Python) => drop(tools.python(python::TOOLS)?),
            Some(Language::JavaScript) => super::javascript::set_up(&tools)?,
        }
        Ok(build)
    }
}
