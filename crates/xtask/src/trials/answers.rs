//! The example answers: put to debconf, and found again in /etc/ubuntu-ha.

use std::collections::BTreeMap;

use hapkg::recipe::answer::Answer;

use crate::case::Case;
use crate::machine::Machine;
use crate::stop::Stop;

/// Passwords that the examples contain and that must be nowhere else.
pub fn secrets(case: &Case) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for (_, answers) in expected(case)? {
        for answer in answers.into_values() {
            if let Answer::Password(secret) = answer {
                found.push(secret.expose().to_owned());
            }
        }
    }
    Ok(found)
}

/// Lines for debconf-set-selections(1), of the node package and the role.
///
/// # Errors
/// `Failed`: an example answers no question.
pub fn selections(case: &Case) -> Result<String, Stop> {
    let role = role(case)?;
    let node = ("ubuntu-ha-node", &case.world.node.question, &role.cluster);
    let package = case.package();
    let own = (package.as_str(), &role.recipe.question, &role.own);
    let mut text = String::new();
    for (package, questions, answers) in [node, own] {
        for (name, value) in answers {
            let question = questions
                .iter()
                .find(|question| question.name == *name)
                .ok_or_else(|| {
                    Stop::failed(format!("the example answers {name}, which is no question"))
                })?;
            let kind = question.kind.debconf();
            text.push_str(&format!("{package} {package}/{name} {kind} {value}\n"));
        }
    }
    Ok(text)
}

/// Puts the example answers into debconf, as preseeding does.
///
/// # Errors
/// debconf refuses them.
pub fn preseed(machine: &Machine, case: &Case) -> Result<(), Stop> {
    machine.write("/tmp/selections", selections(case)?.as_bytes())?;
    machine
        .sh("debconf-set-selections /tmp/selections; rm /tmp/selections")
        .map(|_| ())
}

/// The role under test.
///
/// # Errors
/// The case is about no role.
pub fn role<'a>(case: &'a Case) -> Result<&'a crate::world::Role, Stop> {
    case.world
        .roles
        .get(case.role)
        .ok_or_else(|| Stop::failed(format!("no role {}", case.role)))
}

type Expected = BTreeMap<String, Answer>;

/// `cluster` and the role's name, each with its answers.
fn expected(case: &Case) -> Result<[(String, Expected); 2], Stop> {
    let role = role(case)?;
    Ok([
        ("cluster".into(), role.expected(&case.world.node.question)?),
        (case.role.into(), role.expected(&role.recipe.question)?),
    ])
}

/// The file that holds the answers of `cluster` or of a role.
pub fn file(name: &str) -> String {
    match name {
        "cluster" => "/etc/ubuntu-ha/cluster.toml".into(),
        role => format!("/etc/ubuntu-ha/roles/{role}.toml"),
    }
}

/// Fails unless exactly the example answers are in /etc/ubuntu-ha, with the
/// right modes, the secrets apart, and `ubuntu-ha check` content.
///
/// # Errors
/// `Failed` with what is wrong.
pub fn configured(machine: &Machine, case: &Case) -> Result<(), Stop> {
    let mut modes = BTreeMap::from([
        ("/etc/ubuntu-ha".to_owned(), "d 755".to_owned()),
        ("/etc/ubuntu-ha/roles".into(), "d 755".into()),
    ]);
    for (name, answers) in expected(case)? {
        let path = file(&name);
        modes.insert(path.clone(), "f 644".into());
        let table: toml::Table = machine
            .read(&path)?
            .parse()
            .map_err(|e| Stop::failed(format!("{path}: {e}")))?;
        let mut wanted = toml::Table::new();
        for (question, answer) in answers {
            let value = match &answer {
                Answer::Password(secret) => {
                    let own = format!("/etc/ubuntu-ha/secrets/{name}/{question}");
                    if machine.read(&own)?.trim_end() != secret.expose() {
                        return Err(Stop::failed(format!("{own} holds another secret")));
                    }
                    modes.insert("/etc/ubuntu-ha/secrets".into(), "d 700".into());
                    modes.insert(format!("/etc/ubuntu-ha/secrets/{name}"), "d 700".into());
                    modes.insert(own, "f 600".into());
                    continue;
                }
                Answer::Integer(number) => toml::Value::Integer(*number),
                Answer::Boolean(truth) => toml::Value::Boolean(*truth),
                other => toml::Value::String(other.text()),
            };
            wanted.insert(question, value);
        }
        if table != wanted {
            return Err(Stop::failed(format!(
                "{path} holds\n{table}instead of\n{wanted}"
            )));
        }
    }
    let listing = machine.sh("find /etc/ubuntu-ha -printf '%p\\t%y %m\\n'")?;
    let found: BTreeMap<String, String> = listing
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(path, mode)| (path.to_owned(), mode.to_owned()))
        .collect();
    if found != modes {
        return Err(Stop::failed(format!(
            "/etc/ubuntu-ha is {found:#?} instead of {modes:#?}"
        )));
    }
    machine.sh("ubuntu-ha check").map(|_| ())
}

/// Fails when a secret is anywhere but in its own file; debconf's backup of
/// its password database, which is as closed as that file, is not counted.
///
/// # Errors
/// `Failed` with the file.
pub fn secrets_are_kept(machine: &Machine, case: &Case) -> Result<(), Stop> {
    for secret in secrets(case)? {
        machine.write("/tmp/pattern", format!("{secret}\n").as_bytes())?;
        let found = machine.sh(
            "grep -rlF -f /tmp/pattern /etc /var /root /home /tmp --exclude=pattern || true; rm /tmp/pattern",
        )?;
        let wrong: Vec<&str> = found
            .lines()
            .filter(|path| !path.starts_with("/etc/ubuntu-ha/secrets/"))
            .filter(|path| *path != "/var/cache/debconf/passwords.dat-old")
            .collect();
        if !wrong.is_empty() {
            return Err(Stop::failed(format!(
                "a secret is also in {}",
                wrong.join(", ")
            )));
        }
    }
    let open = machine.sh(
        "find /var/cache/debconf -name 'passwords.dat*' -perm /077; find /etc/ubuntu-ha/secrets -perm /077 2>/dev/null || true",
    )?;
    if open.trim().is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!("others may read {}", open.trim())))
}

/// Fails when an installation asked for a service.
///
/// # Errors
/// `Failed` with the calls.
pub fn nothing_started(machine: &Machine) -> Result<(), Stop> {
    let asked = machine.sh("cat /run/asked-services 2>/dev/null || true")?;
    if asked.trim().is_empty() {
        return Ok(());
    }
    Err(Stop::failed(format!("services were asked for:\n{asked}")))
}

#[cfg(test)]
mod tests {
    use super::file;

    #[test]
    fn cluster_wide_answers_have_their_own_file() {
        assert_eq!(file("cluster"), "/etc/ubuntu-ha/cluster.toml");
        assert_eq!(file("vip"), "/etc/ubuntu-ha/roles/vip.toml");
    }
}
