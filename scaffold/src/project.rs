//! The files of a project, and how they come to lie in a folder.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{EMBEDDED, FilterName, Language, WORKSPACE};

/// Where the SDK lies in a project, laid out as in the repository: what points there has one prefix to change.
const SDK: &str = "weir/";

/// Every file, by its path in the project.
pub fn files(name: &FilterName, language: Language) -> Vec<(String, String)> {
    let example = format!("examples/hello-{}/", language.name());
    let sdk = format!("sdk/{}/", language.name());
    let of_all = ["wit/filter.wit", "LICENSE"];
    let mut files = Vec::new();
    for (path, text) in EMBEDDED {
        if let Some(own) = path.strip_prefix(&example) {
            // the one of the example tells how it is built in the repository
            if own != "README.md" {
                files.push((own.to_owned(), renamed(text, name, language)));
            }
        } else if path.starts_with(&sdk)
            || of_all.contains(path)
            || (language == Language::Rust && path.starts_with("golden/"))
        {
            files.push((format!("{SDK}{path}"), (*text).to_owned()));
        }
    }
    if language == Language::Rust {
        files.push((format!("{SDK}Cargo.toml"), WORKSPACE.to_owned()));
    }
    files.push(("README.md".to_owned(), filled(include_str!("project/README.md"), name, language)));
    files.push(("build.sh".to_owned(), filled(include_str!("project/build.sh"), name, language)));
    files.push((".gitignore".to_owned(), format!("/{name}.wasm\n/build/\n/target/\n/.tools/\n__pycache__/\n")));
    files
}

/// A file of the example: the new name, and the SDK where it is now.
fn renamed(text: &str, name: &FilterName, language: Language) -> String {
    let text =
        text.replace(&format!("hello-{}", language.name()), name.as_str()).replace("../../", &format!("./{SDK}"));
    if text.starts_with("[package]") { text + include_str!("project/Cargo.toml.end") } else { text }
}

fn filled(template: &str, name: &FilterName, language: Language) -> String {
    let check = if language == Language::Rust {
        "cargo test                           # the cases natively, with breakpoints and println\n$ "
    } else {
        ""
    };
    template
        .replace("{name}", name.as_str())
        .replace("{language}", language.name())
        .replace("{title}", language.title())
        .replace("{needs}", language.needs())
        .replace("{source}", language.source())
        .replace("{reference}", language.reference())
        .replace("{natively}", check)
}

/// No project came of it.
#[derive(Debug, thiserror::Error)]
pub enum WriteFault {
    /// Nothing that is there is ever written over.
    #[error("{path} is there already: give another name, or another folder with --dir", path = .0.display())]
    Exists(PathBuf),
    /// The folder, or the disk.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Writes a project into a new folder `NAME` of this folder, and gives its path: whole, or not at all.
///
/// # Errors
/// The folder is there already, or cannot be written.
pub fn write(name: &FilterName, language: Language, within: &Path) -> Result<PathBuf, WriteFault> {
    let folder = within.join(name.as_str());
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |error| WriteFault::Io { path, error }
    };
    fs::create_dir_all(within).map_err(fault(within))?;
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WriteFault::Exists(folder.clone()),
        _ => WriteFault::Io { path: folder.clone(), error },
    })?;
    for (path, text) in files(name, language) {
        let path = folder.join(path);
        let written = place(&path, &text).map_err(fault(&path));
        if written.is_err() {
            // it is ours: nobody had it before
            let _ = fs::remove_dir_all(&folder);
            written?;
        }
    }
    Ok(folder)
}

fn place(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, text)?;
    if path.extension().is_some_and(|extension| extension == "sh") {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(language: Language) -> Vec<(String, String)> {
        files(&"jwt-auth".parse().unwrap(), language)
    }

    #[test]
    fn every_language_has_code_cases_schema_and_a_way_to_build() {
        for language in Language::ALL {
            let files = of(language);
            let has = |path: &str| files.iter().any(|(name, _)| name == path);
            let script = format!("weir/sdk/{}/build.sh", language.name());
            for path in [language.source(), "schema.json", "README.md", "build.sh", &script, "cases/blocked.http"] {
                assert!(has(path), "{language:?}: no {path}");
            }
            for (path, text) in files.iter().filter(|(path, _)| !path.starts_with(SDK)) {
                assert!(!text.contains("hello-"), "{language:?}: {path} has the example's name");
                assert!(!text.contains("../"), "{language:?}: {path} points out of the project");
                assert!(!text.contains("cargo xtask"), "{language:?}: {path} needs the repository");
                assert!(!text.contains('{') || !text.contains("{name}"), "{language:?}: {path} is not filled");
            }
        }
    }

    #[test]
    fn what_is_there_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let name: FilterName = "mine".parse().unwrap();
        let project = write(&name, Language::C, &folder.path().join("new")).unwrap();
        fs::write(project.join("filter.c"), "mine").unwrap();
        let fault = write(&name, Language::Go, &folder.path().join("new")).unwrap_err();
        assert!(matches!(&fault, WriteFault::Exists(path) if *path == project), "{fault}");
        assert_eq!(fs::read_to_string(project.join("filter.c")).unwrap(), "mine");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(write(&name, Language::C, &file), Err(WriteFault::Io { .. })));
    }
}
