//! Scripts for shells: bash itself takes them, and completes with them.

use std::{io::Write as _, process::Command};

use anyhow::ensure;
use weir_testkit::binaries;

/// What bash offers for these words, the last of which is being typed.
fn offered(program: &str, script: &str, words: &[&str]) -> anyhow::Result<String> {
    let line = words.join(" ");
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let asks = format!(
        "{script}\ncomplete -p {program} >/dev/null || exit 9\nCOMP_WORDS=({}); COMP_CWORD={last}; COMP_LINE='{line}'; \
         COMP_POINT=${{#COMP_LINE}}\n_{program} {program} '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words[last],
        words[last - 1]
    );
    // too long for an argument
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(asks.as_bytes())?;
    let output = Command::new("bash").args(["--norc", "--noprofile"]).arg(file.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn shells_complete_commands_and_flags() -> anyhow::Result<()> {
    for (program, typed, expect) in [
        ("orchestrator", ["orchestrator", "push-"], "push-filter"),
        ("orchestrator", ["orchestrator", "back"], "backup"),
        ("agent", ["agent", "fil"], "filter"),
        ("agent", ["agent", "r"], "run"),
    ] {
        let binary = binaries::binary(program)?;
        let script = |shell: &str| -> anyhow::Result<String> {
            let output = Command::new(&binary).args(["completion", shell]).env_clear().output()?;
            ensure!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
            Ok(String::from_utf8(output.stdout)?)
        };
        let offers = offered(program, &script("bash")?, &typed)?;
        ensure!(offers.lines().any(|word| word == expect), "{typed:?}: {offers}");
        ensure!(script("zsh")?.starts_with(&format!("#compdef {program}")), "zsh");
        ensure!(script("fish")?.contains(&format!("complete -c {program}")), "fish");
        let nobodys = Command::new(&binary).args(["completion", "tcsh"]).env_clear().output()?;
        ensure!(nobodys.status.code() == Some(2), "{nobodys:?}");
    }
    Ok(())
}
