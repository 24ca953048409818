//! The suite's own lintian, by its own vendor's profile.

use std::process::{Command, Stdio};

use hapkg::chroot::{Network, Trial};
use hapkg::recipe::suite::Family;

use crate::bases;
use crate::case::Case;
use crate::host::{files_below, read};
use crate::stop::{During, Stop};

/// No tag of any kind, for any package, source package or upload; and none
/// overridden. Lintian also looks for misspelt words in machine code, where
/// four bytes may look like one: a word that the program's source does not
/// have, nor any crate it carries, is none.
pub fn lintian(case: &Case) -> Result<(), Stop> {
    let base = bases::lint(case.suite, &|_| ())?;
    let trial = Trial::new(&base)?;
    trial.bind(&case.world.new, "/srv/dist")?;
    let profile = match case.suite.family {
        Family::Ubuntu => "ubuntu",
        Family::Debian => "debian",
    };
    let mut argv = vec![
        "lintian",
        "--allow-root",
        "--pedantic",
        "-I",
        "--show-overrides",
    ];
    argv.extend(["--fail-on", "none", "--profile", profile]);
    let files = subjects(case)?;
    argv.extend(files.iter().map(String::as_str));
    let output = trial
        .command(Network::Off, &argv)
        .stdin(Stdio::null())
        .output()
        .during("running lintian")?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    case.note(&format!("{}\n{text}", argv.join(" ")));
    let mut tags = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match misspelt(line) {
            Some(word) if !in_source(case, word)? => {
                case.note(&format!("{word} is in no source: machine code"));
            }
            _ => tags.push(line),
        }
    }
    if output.status.success() && tags.is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "lintian ({}) says:\n{}",
        output.status,
        tags.join("\n")
    )))
}

/// The single word that lintian found misspelt in a program.
fn misspelt(line: &str) -> Option<&str> {
    let (_, found) = line.split_once(": spelling-error-in-binary ")?;
    let word = found.split(' ').next()?;
    (!word.starts_with('"')).then_some(word)
}

/// Whether the source package of the node program has this word.
fn in_source(case: &Case, word: &str) -> Result<bool, Stop> {
    let dir = case.world.new.join("source").join(case.suite.name);
    let tar = files_below(&dir)?
        .into_iter()
        .find(|file| {
            let name = file.to_string_lossy();
            name.starts_with("ubuntu-ha-node_") && name.ends_with(".tar.xz")
        })
        .ok_or_else(|| Stop::failed(format!("no node source in {}", dir.display())))?;
    let count = "xz -dc -- \"$1\" | grep -acwF -e \"$2\" || test $? = 1";
    let mut command = Command::new("sh");
    command.args(["-euc", count, "sh"]).arg(dir.join(tar));
    Ok(read(command.arg(word))?.trim() != "0")
}

/// Every .deb, .dsc and .changes of the suite, as the chroot sees them.
fn subjects(case: &Case) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for package in bases::packages(&case.world.new, case.suite)? {
        if let Some(name) = package.get("Filename") {
            found.push(format!("/srv/dist/apt/{name}"));
        }
    }
    let sources = format!("source/{}", case.suite.name);
    let debs = found.len();
    for file in files_below(&case.world.new.join(&sources))? {
        let name = file.to_string_lossy();
        if name.ends_with(".dsc") || name.ends_with(".changes") {
            found.push(format!("/srv/dist/{sources}/{name}"));
        }
    }
    if debs == 0 || found.len() != 3 * debs {
        return Err(Stop::failed(format!(
            "{debs} packages want as many .dsc and .changes; there are {}",
            found.len() - debs
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::misspelt;

    #[test]
    fn only_a_single_word_in_a_program_may_be_machine_code() {
        let line = |found: &str| format!("I: p: spelling-error-in-binary {found} [usr/sbin/p]");
        assert_eq!(misspelt(&line("whE when")), Some("whE"));
        assert_eq!(misspelt(&line("\"allows to\" \"allows one to\"")), None);
        assert_eq!(misspelt("W: p: spelling-error-in-copyright whE when"), None);
    }
}
