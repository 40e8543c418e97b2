//! Components as they were built against released versions of the contract, in the host of today: `wit/released/VERSION/NAME`
//! holds each with its cases as they were then.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use weir_artifact::{Capability, Publication};
use weir_trial::Trial;

#[test]
fn what_was_built_against_a_release_does_what_it_did() -> anyhow::Result<()> {
    let trial = Trial::start(None)?;
    let (mut components, mut cases, mut failures) = (0, 0, String::new());
    for release in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released"))? {
        for filter in fs::read_dir(release?.path())? {
            let folder = filter?.path();
            if !folder.is_dir() {
                continue;
            }
            components += 1;
            let name = folder.file_name().context("a folder without a name")?.to_string_lossy().into_owned();
            let component = fs::read(folder.join("component.wasm"))?;
            let publication = Publication { grants: Capability::ALL.into(), ..Publication::unsigned(name.parse()?) };
            let subject = trial.subject(publication, component)?;
            for (case_name, case) in weir_golden::folder(&folder.join("cases"))? {
                cases += 1;
                let report = subject.run(&case).with_context(|| format!("{}/{case_name}", folder.display()))?;
                if let Err(mismatch) = case.check(&report.outcome) {
                    failures.push_str(&format!("\n{}/{case_name}: {}\n{mismatch}", folder.display(), case.title));
                }
            }
        }
    }
    ensure!(failures.is_empty(), "{failures}");
    ensure!(components >= 3 && cases > 30, "{cases} cases of {components} components");
    Ok(())
}
