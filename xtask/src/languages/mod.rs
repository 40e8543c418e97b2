//! Filters in other languages than Rust: a folder of `filters/` or `examples/` with a `filter.c`, `filter.go`, `filter.js`
//! or `filter.py` becomes a component; so does the tour of each SDK. Each language sets up its own tools under `target/guests`; one whose tools are not
//! to be had, or whose filter does not build, is reported, and the others go on.

pub(crate) mod archives;
pub(crate) mod begun;
mod bindings;
mod c;
mod fingerprint;
mod go;
mod javascript;
mod python;
mod stage;
mod tools;
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::{fingerprint::Fingerprint, tools::Tools};
use crate::filters::root;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    C,
    Go,
    JavaScript,
    Python,
}

impl Language {
    const ALL: [Self; 4] = [Self::C, Self::JavaScript, Self::Python, Self::Go];

    /// The file that makes a folder a filter of this language.
    fn source(self) -> &'static str {
        match self {
            Self::C => "filter.c",
            Self::Go => "filter.go",
            Self::JavaScript => "filter.js",
            Self::Python => "filter.py",
        }
    }

    /// As its folder in `sdk/` is called.
    fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Go => "go",
            Self::JavaScript => "js",
            Self::Python => "python",
        }
    }

    fn sdk(self) -> PathBuf {
        root().join("sdk").join(self.name())
    }

    /// What its components depend on beside their own folder and the SDK.
    fn tools(self) -> &'static str {
        match self {
            Self::C => c::TOOLS,
            Self::Go => go::TOOLS,
            Self::JavaScript => javascript::TOOLS,
            Self::Python => python::TOOLS,
        }
    }
}

/// A filter to build.
struct Project {
    /// Its folder's name, and the component's.
    name: String,
    folder: PathBuf,
    language: Language,
    /// Not to lie where somebody points an agent at.
    is_for_tests: bool,
    /// For whatever its build leaves, under `target/guests`.
    scratch: PathBuf,
}

/// How a build ended: with a component, built now or before, or with a reason.
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) is_for_tests: bool,
    pub(crate) result: Result<Vec<u8>, String>,
}

/// Builds what changed since last time.
pub(crate) fn build(target: &Path) -> anyhow::Result<Vec<Outcome>> {
    bindings::refresh()?;
    let guests = target.join("guests");
    let tools = Tools::new(&guests);
    let mut outcomes = Vec::new();
    for project in projects(&guests)? {
        let result = component(&project, &tools).map_err(|error| format!("{error:#}"));
        outcomes.push(Outcome { name: project.name, is_for_tests: project.is_for_tests, result });
    }
    Ok(outcomes)
}

fn component(project: &Project, tools: &Tools) -> anyhow::Result<Vec<u8>> {
    let language = project.language;
    let inputs = [project.folder.clone(), language.sdk(), root().join("wit/filter.wit"), root().join("adapter/src")];
    let fingerprint = Fingerprint::of(&inputs, language.tools())?;
    let kept = project.scratch.join("component.wasm");
    let stamp = project.scratch.join("component.stamp");
    if let (true, Ok(bytes)) = (fingerprint.is_in(&stamp), fs::read(&kept)) {
        return Ok(bytes);
    }
    fs::create_dir_all(&project.scratch)?;
    eprintln!("building {}", project.name);
    let bytes = match language {
        Language::C => c::build(project, tools),
        Language::Go => go::build(project, tools),
        Language::JavaScript => javascript::build(project, tools),
        Language::Python => python::build(project, tools),
    }?;
    fs::write(&kept, &bytes)?;
    fingerprint.write(&stamp)?;
    Ok(bytes)
}

/// The program that asks an API all that its description says.
pub(crate) fn schemathesis(target: &Path) -> anyhow::Result<PathBuf> {
    let tools = Tools::new(&target.join("guests"));
    // What it asks comes of the seed and of this.
    tools.python("hypothesis==6.170.17")?;
    Ok(tools.python("schemathesis==4.32.5")?.join("schemathesis"))
}

/// Language by language, so that tools are set up in the order of their cost.
fn projects(guests: &Path) -> anyhow::Result<Vec<Project>> {
    let mut projects = Vec::new();
    for folder in ["filters", "examples"] {
        for entry in fs::read_dir(root().join(folder))? {
            let folder = entry?.path();
            let Some(name) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
            projects.extend(Language::ALL.into_iter().filter(|language| folder.join(language.source()).is_file()).map(
                |language| Project {
                    scratch: guests.join(&name),
                    name: name.clone(),
                    folder: folder.clone(),
                    language,
                    is_for_tests: false,
                },
            ));
        }
    }
    for language in Language::ALL {
        let name = format!("tour-{}", language.name());
        let folder = language.sdk().join("tour");
        projects.push(Project { scratch: guests.join(&name), name, folder, language, is_for_tests: true });
    }
    let order = |project: &Project| Language::ALL.iter().position(|language| *language == project.language);
    projects.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name)));
    Ok(projects)
}
