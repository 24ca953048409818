//! The question put to apt, and its answer read back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::root::{Error, PrivateRoot};

/// A package to be tried, as its control file will say it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Package name.
    pub package: String,
    /// Debian version.
    pub version: String,
    /// Groups of alternatives in deb822 syntax.
    pub depends: Vec<String>,
    /// Likewise; each is tried, none must be there.
    pub recommends: Vec<String>,
    /// Other relation fields by name, such as `Conflicts`.
    pub other: Vec<(&'static str, String)>,
}

/// What a relation came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// apt found a set of packages that satisfies it.
    Installable,
    /// No package of that name (or of one of its alternatives) is there.
    Missing,
    /// The package exists and cannot be installed beside the others.
    Conflict,
}

/// One relation of one package.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub package: String,
    /// `Depends` or `Recommends`.
    pub field: &'static str,
    pub relation: String,
    pub verdict: Verdict,
    /// Archive component of what satisfies it (`main`, `universe`); `ours` for
    /// a package that hapkg builds itself.
    pub component: Option<String>,
    /// apt's own words where it refused.
    pub detail: Option<String>,
}

/// Tries every candidate that `wanted` names, with the others on offer beside the suite's archive.
/// A package's Depends are proved by one solved installation of all of
/// them; only where that fails is each looked at alone. Recommends are tried
/// one by one on top.
///
/// # Errors
/// The environment failed; a dependency that cannot be met is a finding.
pub fn check(
    root: &PrivateRoot,
    candidates: &[Candidate],
    wanted: &[String],
) -> Result<Vec<Finding>, Error> {
    root.offer(&packages_text(candidates))?;
    let components = components(root, candidates)?;
    let mut findings = Vec::new();
    for candidate in candidates
        .iter()
        .filter(|one| wanted.contains(&one.package))
    {
        let whole = install(root, &[&candidate.package])?;
        for relation in &candidate.depends {
            let (verdict, detail) = match &whole {
                Ok(()) => (Verdict::Installable, None),
                Err(refusal) => blame(root, relation, refusal, &components)?,
            };
            findings.push(finding(
                candidate,
                "Depends",
                relation,
                verdict,
                detail,
                &components,
            ));
        }
        for relation in &candidate.recommends {
            let (verdict, detail) =
                try_recommended(root, candidate, relation, whole.is_ok(), &components)?;
            findings.push(finding(
                candidate,
                "Recommends",
                relation,
                verdict,
                detail,
                &components,
            ));
        }
    }
    Ok(findings)
}

fn finding(
    candidate: &Candidate,
    field: &'static str,
    relation: &str,
    verdict: Verdict,
    detail: Option<String>,
    components: &BTreeMap<String, String>,
) -> Finding {
    let component = names(relation).find_map(|name| components.get(name).cloned());
    Finding {
        package: candidate.package.clone(),
        field,
        relation: relation.to_string(),
        component: component.filter(|_| verdict != Verdict::Missing),
        verdict,
        detail,
    }
}

/// Why a relation of a package that cannot be installed is, or is not, to blame.
fn blame(
    root: &PrivateRoot,
    relation: &str,
    refusal: &str,
    components: &BTreeMap<String, String>,
) -> Result<(Verdict, Option<String>), Error> {
    let known = names(relation).any(|name| components.contains_key(name));
    let about = refusal_lines(refusal, relation);
    if known && !about.is_empty() {
        return Ok((Verdict::Conflict, Some(about)));
    }
    // A name that is no package's may be one that packages provide.
    match satisfy(root, &[relation])? {
        Ok(()) => Ok((Verdict::Installable, None)),
        Err(alone) if known => Ok((Verdict::Conflict, Some(alone))),
        Err(_) => Ok((
            Verdict::Missing,
            Some("no package of that name in the suite".into()),
        )),
    }
}

fn try_recommended(
    root: &PrivateRoot,
    candidate: &Candidate,
    relation: &str,
    base_installs: bool,
    components: &BTreeMap<String, String>,
) -> Result<(Verdict, Option<String>), Error> {
    let both = [candidate.package.as_str(), relation];
    let wanted = if base_installs { &both[..] } else { &both[1..] };
    let known = names(relation).any(|name| components.contains_key(name));
    Ok(match satisfy(root, wanted)? {
        Ok(()) => (Verdict::Installable, None),
        Err(text) if known => (Verdict::Conflict, Some(text)),
        Err(_) => (Verdict::Missing, None),
    })
}

/// The lines of apt's refusal that speak of one of the relation's packages.
fn refusal_lines(refusal: &str, relation: &str) -> String {
    let lines: Vec<&str> = refusal
        .lines()
        .map(str::trim)
        .filter(|line| {
            names(relation).any(|name| line.split([' ', ':', '(']).any(|word| word == name))
        })
        .collect();
    lines.join("; ")
}

/// Solves an installation from nothing, without Recommends, and fetches
/// nothing. The inner
/// `Err` is apt's refusal.
fn install(root: &PrivateRoot, packages: &[&str]) -> Result<Result<(), String>, Error> {
    solve(root, "install", packages)
}

/// Solves relations, all of them together.
fn satisfy(root: &PrivateRoot, relations: &[&str]) -> Result<Result<(), String>, Error> {
    solve(root, "satisfy", relations)
}

fn solve(root: &PrivateRoot, verb: &str, what: &[&str]) -> Result<Result<(), String>, Error> {
    let output = root
        .apt("apt-get")
        .args([
            "--print-uris",
            "--yes",
            "-q",
            "--no-install-recommends",
            verb,
        ])
        .args(what)
        .output()
        .map_err(|e| Error(format!("apt-get could not start: {e}")))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    Ok(Err(told.join("\n")))
}

/// Package names of a relation, in order: `a (>= 1) | b` gives a and b.
fn names(relation: &str) -> impl Iterator<Item = &str> {
    relation.split('|').filter_map(|alternative| {
        alternative
            .split([' ', '(', ':', '[', '\t'])
            .find(|word| !word.is_empty())
    })
}

/// Name to component of every package the candidates name, where it exists.
fn components(
    root: &PrivateRoot,
    candidates: &[Candidate],
) -> Result<BTreeMap<String, String>, Error> {
    let mut wanted: Vec<&str> = candidates
        .iter()
        .flat_map(|c| c.depends.iter().chain(&c.recommends))
        .flat_map(|relation| names(relation))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = root
        .apt("apt-cache")
        .args(["show", "--no-all-versions"])
        .args(&wanted)
        .output()
        .map_err(|e| Error(format!("apt-cache could not start: {e}")))?;
    Ok(read_components(&String::from_utf8_lossy(&output.stdout)))
}

fn read_components(shown: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for paragraph in shown.split("\n\n") {
        let field = |name: &str| {
            paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::trim))
        };
        if let (Some(package), Some(file)) = (field("Package"), field("Filename")) {
            let component = match file
                .strip_prefix("pool/")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((component, _)) => component,
                None => "ours",
            };
            found
                .entry(package.to_string())
                .or_insert_with(|| component.to_string());
        }
    }
    found
}

fn packages_text(candidates: &[Candidate]) -> String {
    let mut text = String::new();
    for candidate in candidates {
        text.push_str(&format!(
            "Package: {0}\nVersion: {1}\nArchitecture: all\nMaintainer: none\nFilename: ./{0}.deb\nSize: 1\n\
             SHA256: {2}\n",
            candidate.package,
            candidate.version,
            "0".repeat(64),
        ));
        for (field, value) in [
            ("Depends", candidate.depends.join(", ")),
            ("Recommends", candidate.recommends.join(", ")),
        ]
        .into_iter()
        .chain(candidate.other.iter().cloned())
        {
            if !value.is_empty() {
                text.push_str(&format!("{field}: {value}\n"));
            }
        }
        text.push_str("Description: tried\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// apt's world without an archive.
    fn empty(cache: &std::path::Path) -> PrivateRoot {
        let suite = crate::recipe::suite::find("noble").unwrap();
        let dir = cache.join(suite.name);
        for name in ["etc/apt", "var/lib/dpkg", "var/cache/apt/archives/partial"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        let place = dir.display();
        let conf = format!(
            "Dir \"{place}\";\nDir::State::status \"{place}/var/lib/dpkg/status\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
             APT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\n"
        );
        for (name, text) in [
            ("etc/apt/sources.list", ""),
            ("var/lib/dpkg/status", ""),
            ("refreshed", ""),
            ("apt.conf", &conf),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        PrivateRoot::open(suite, cache, &[]).unwrap()
    }

    #[test]
    fn versions_and_provided_names_count_in_every_field() {
        let candidate = |package: &str, depends: &[&str], recommends: &[&str]| Candidate {
            package: package.into(),
            version: "1.0".into(),
            depends: depends.iter().map(|one| one.to_string()).collect(),
            recommends: recommends.iter().map(|one| one.to_string()).collect(),
            other: Vec::new(),
        };
        let tried = [
            ("base", Verdict::Installable),
            ("base (>= 1.0)", Verdict::Installable),
            ("base (>= 2)", Verdict::Conflict),
            ("nosuch | base (>= 2)", Verdict::Conflict),
            ("nosuch | base", Verdict::Installable),
            ("provided", Verdict::Installable),
            ("nosuch", Verdict::Missing),
        ];
        let relations = tried.each_ref().map(|(relation, ..)| *relation);
        let mut base = candidate("base", &[], &[]);
        base.other.push(("Provides", "provided".into()));
        let sound = candidate("sound", &["base"], &relations);
        let broken = candidate("broken", &["provided", "nosuch"], &relations);
        let cache = tempfile::tempdir().unwrap();
        let wanted = ["sound".to_string(), "broken".to_string()];
        let found = check(&empty(cache.path()), &[base, sound, broken], &wanted).unwrap();
        for finding in found {
            let (relation, verdict) = tried
                .iter()
                .find(|(relation, ..)| *relation == finding.relation)
                .unwrap();
            let place = format!("{} {} {relation}", finding.package, finding.field);
            assert_eq!(finding.verdict, *verdict, "{place}");
        }
    }

    #[test]
    fn names_of_a_relation() {
        let found: Vec<&str> = names("drbd-utils (>= 9.15) | drbd8-utils:any").collect();
        assert_eq!(found, ["drbd-utils", "drbd8-utils"]);
    }

    #[test]
    fn component_is_read_from_the_pool_path() {
        let shown = "Package: pcs\nFilename: pool/universe/p/pcs/pcs_1_all.deb\n\n\
                     Package: ubuntu-ha-vip\nFilename: ./ubuntu-ha-vip.deb\n\n";
        let found = read_components(shown);
        assert_eq!(found["pcs"], "universe");
        assert_eq!(found["ubuntu-ha-vip"], "ours");
    }

    #[test]
    fn refusal_is_narrowed_to_the_package() {
        let refusal =
            " ubuntu-ha-x : Depends: nosuch but it is not installable\n other : Breaks: y";
        assert_eq!(
            refusal_lines(refusal, "nosuch (>= 2)"),
            "ubuntu-ha-x : Depends: nosuch but it is not installable"
        );
        assert_eq!(refusal_lines(refusal, "pacemaker"), "");
    }
}
