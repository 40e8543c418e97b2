//! The generated halves of `sdk/c` and `sdk/go`, made from `wit/filter.wit` by the generators themselves. They lie in the
//! repository so that an author needs nothing but the SDK's folder; nobody edits them, and a build renews them.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use weir_wit::FILTER_WIT;
use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};

use crate::filters::root;

/// The world that they are made of.
const WORLD: &str = "filter";

/// Interfaces that a filter may export too, and the SDKs know.
pub(super) const FURTHER: [&str; 4] = ["connect", "message", "completed", "tick"];

/// Renews what is out of date. On CI that is a fault: what is in the repository has to be what was tested.
pub(super) fn refresh() -> anyhow::Result<()> {
    let stale: Vec<_> = all()?.into_iter().filter(|(path, text)| !is_current(path, text)).collect();
    if stale.is_empty() {
        return Ok(());
    }
    for (path, text) in &stale {
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        fs::write(path, text)?;
        eprintln!("{} was out of date: generated anew, to be committed", path.display());
    }
    if env::var_os("CI").is_some() { bail!("generated bindings do not match wit/filter.wit") } else { Ok(()) }
}

fn is_current(path: &PathBuf, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|old| old == text)
}

/// Every generated file, with what belongs into it.
fn all() -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let mut all = BTreeMap::new();
    c(&mut all)?;
    go(&mut all)?;
    Ok(all)
}

/// One world with every hook. What a filter exports has to be what it has, so the exports of each further interface are
/// compiled where `WEIR_EXPORTS_NAME` is defined alone.
fn c(all: &mut BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    let last = "  export events;\n";
    let more: String = FURTHER.iter().map(|interface| format!("  export {interface};\n")).collect();
    let contract = FILTER_WIT.replace(last, &format!("{last}{more}"));
    let options = wit_bindgen_c::Opts { no_object_file: true, ..Default::default() };
    for (name, text) in generate(options.build(), &contract, WORLD)? {
        all.insert(root().join("sdk/c/gen").join(name), guarded(&text));
    }
    Ok(())
}

/// Puts each function that is exported for a further interface between `#ifdef` and `#endif`.
fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    let mut is_within = false;
    for line in text.split_inclusive('\n') {
        let interface = FURTHER.iter().find(|interface| line.contains(&format!("weir:filter/{interface}@")));
        if let (Some(interface), true) = (interface, line.contains("__export_name__")) {
            guarded.push_str(&format!("#ifdef WEIR_EXPORTS_{}\n", interface.to_uppercase()));
            is_within = true;
        }
        guarded.push_str(line);
        if is_within && line.trim_end() == "}" {
            guarded.push_str("#endif\n");
            is_within = false;
        }
    }
    guarded
}

/// A world for what every filter has, and one for each further interface, whose exports are a package that filters import which
/// have it.
fn go(all: &mut BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    let further = FURTHER.iter().map(|interface| (format!("{interface}-hooks"), format!("{interface}_exports")));
    let worlds = std::iter::once((WORLD.to_owned(), "wit_exports".to_owned())).chain(further);
    for (world, exports) in worlds {
        let options = wit_bindgen_go::Opts {
            format: wit_bindgen_go::Format::False,
            pkg_name: Some(GO_PACKAGE.to_owned()),
            quiet: true,
            ..Default::default()
        };
        for (name, text) in generate(options.build(), FILTER_WIT, &world)? {
            // the generator's runtime lies in the SDK; what answers the exports is the SDK's own
            let text = text
                .replace("go.bytecodealliance.org/pkg/wit/", "weir/internal/wit/")
                .replace(&format!("{GO_PACKAGE}/exports/export_"), "weir/internal/export_")
                .replace("package wit_exports\n", &format!("package {exports}\n"));
            let name = name.replace("wit_exports/", &format!("{exports}/"));
            // what two worlds have is the first one's
            all.entry(root().join("sdk/go/internal/gen").join(name)).or_insert(text);
        }
    }
    Ok(())
}

/// Where the generated packages lie in the SDK's module.
const GO_PACKAGE: &str = "weir/internal/gen";

fn generate(
    mut generator: Box<dyn WorldGenerator>,
    contract: &str,
    world: &str,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("filter.wit", contract)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    files.iter().map(|(name, bytes)| Ok((name.to_owned(), String::from_utf8(bytes.to_vec())?))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn bindings_in_the_repository_are_current() {
        for (path, text) in super::all().unwrap() {
            assert!(
                super::is_current(&path, &text),
                "{} is out of date: `cargo xtask filters` renews it",
                path.display()
            );
        }
    }
}
