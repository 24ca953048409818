//! Installed without answers; edited, reconfigured, removed and purged.

use hapkg::chroot::Network;

use super::{answers, snapshot};
use crate::bases;
use crate::case::Case;
use crate::machine::Machine;
use crate::stop::Stop;

/// Fails unless an installation without answers is complete, unconfigured, and
/// names the next command.
///
/// # Errors
/// `Failed` with what is missing.
pub fn is_unconfigured(machine: &Machine, package: &str, output: &str) -> Result<(), Stop> {
    let status = machine.sh(&format!(
        "dpkg-query -W -f '${{db:Status-Status}}' {package}"
    ))?;
    if status != "installed" {
        return Err(Stop::failed(format!("{package} is {status}")));
    }
    let next = format!("dpkg-reconfigure {package}");
    if !output.contains(&next) {
        return Err(Stop::failed(format!("the output does not name `{next}`")));
    }
    let files = machine.sh("find /etc/ubuntu-ha ! -type d 2>/dev/null || true")?;
    if !files.trim().is_empty() {
        return Err(Stop::failed(format!(
            "nobody answered, and yet there is {files}"
        )));
    }
    answers::nothing_started(machine)
}

/// No answers: the installation ends well, and so does a reconfiguration that
/// nobody sees; a purge leaves nothing.
pub fn unanswered(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        let before = snapshot::take(machine)?;
        let output = machine.apt(&format!("install {package}"))?;
        is_unconfigured(machine, &package, &output)?;
        let again = machine.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive timeout 120 dpkg-reconfigure {package}"
        ))?;
        is_unconfigured(machine, &package, &again)?;
        snapshot::only_changed(
            &before,
            &snapshot::take(machine)?,
            &["/etc/ubuntu-ha", "/usr/", "/var/lib/ubuntu-ha"],
        )?;
        machine.apt("purge 'ubuntu-ha-*'")?;
        snapshot::all_gone(machine, &before)
    })
}

/// The administrator's edit wins over debconf: it survives a reconfiguration
/// without questions, is what a reconfiguration with questions offers, and
/// outlives removal; a purge leaves nothing.
pub fn reconfigure(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        let file = answers::file(case.role);
        let before = snapshot::take(machine)?;
        answers::preseed(machine, case)?;
        machine.apt(&format!("install {package}"))?;

        let (edited, offered) = edit(&machine.read(&file)?)?;
        machine.write(&file, edited.as_bytes())?;
        let same = |what: &str| match machine.read(&file)? {
            now if now == edited => Ok(()),
            now => Err(Stop::failed(format!(
                "{what} changed the edited file to\n{now}"
            ))),
        };
        machine.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive dpkg-reconfigure {package}"
        ))?;
        same("dpkg-reconfigure without questions")?;

        let shown = accept_all(machine, case)?;
        same("accepting what dpkg-reconfigure offers")?;
        if !shown.contains(&offered) {
            return Err(Stop::failed(format!("{offered} was not offered:\n{shown}")));
        }
        answers::secrets_are_kept(machine, case)?;

        machine.apt(&format!("remove {package}"))?;
        same("removal")?;
        machine.apt(&format!("install {package}"))?;
        same("installing again")?;
        machine.apt("purge 'ubuntu-ha-*'")?;
        snapshot::all_gone(machine, &before)
    })
}

/// The file with a comment of the administrator's and another virtual address
/// or mount point; and the new value.
fn edit(text: &str) -> Result<(String, String), Stop> {
    for (from, to) in [
        ("192.0.2.10/24", "192.0.2.77/24"),
        ("/srv/shared", "/srv/elsewhere"),
    ] {
        if text.contains(from) {
            let edited = format!(
                "# As agreed with the network team.\n{}",
                text.replace(from, to)
            );
            return Ok((edited, to.to_owned()));
        }
    }
    Err(Stop::failed(format!("nothing to edit in\n{text}")))
}

/// Reconfigures on a terminal, accepting every default.
fn accept_all(machine: &Machine, case: &Case) -> Result<String, Stop> {
    let questions = &answers::role(case)?.recipe.question;
    let mut prompts: Vec<&str> = questions
        .iter()
        .map(|question| question.prompt.as_str())
        .collect();
    prompts.push(Machine::FINISHED);
    let mut terminal = machine.terminal(&format!(
        "DEBIAN_FRONTEND=readline dpkg-reconfigure {}",
        case.package()
    ))?;
    while terminal.wait_for_line(&prompts)? != prompts.len() - 1 {
        terminal.send("\r")?;
    }
    let (_, shown) = terminal.finish()?;
    machine.note(&shown);
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::edit;

    #[test]
    fn an_edit_keeps_the_rest() {
        let (edited, value) =
            edit("# The address.\nvip = \"192.0.2.10/24\"\nerase = true\n").unwrap();
        assert_eq!(
            edited,
            "# As agreed with the network team.\n# The address.\nvip = \"192.0.2.77/24\"\nerase = true\n"
        );
        assert_eq!(value, "192.0.2.77/24");
        assert!(edit("").is_err());
    }
}
