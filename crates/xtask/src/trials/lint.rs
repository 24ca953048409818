//! The suite's own lintian, by its own vendor's profile.

use std::process::Stdio;

use hapkg::build::chroot::{Network, Trial};
use hapkg::recipe::suite::Family;

use crate::bases;
use crate::case::Case;
use crate::host::files_below;
use crate::stop::{During, Stop};

/// No tag of any kind, for any package, source package or upload; and none
/// overridden.
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
    if output.status.success() && text.trim().is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "lintian ({}) says:\n{text}",
        output.status
    )))
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
