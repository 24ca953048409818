//! The chroots that tests start from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use debcrate::{Paragraph, parse_paragraphs};
use hapkg::chroot::{self, Base};
use hapkg::recipe::suite::Suite;

use crate::stop::{During, Stop};
use crate::stub;
use crate::world::World;

type Progress<'a> = &'a dyn Fn(&str);

/// The suite as it is released: essential packages and apt.
///
/// # Errors
/// As [`chroot::base`].
pub fn plain(suite: &Suite, progress: Progress) -> Result<Base, Stop> {
    Ok(chroot::base(suite, &[], progress)?)
}

/// Everything the roles depend on or recommend, tasksel, both frontends, and
/// debconf-i18n and iproute2 as every installed system has them. It knows no
/// mirror, so a test downloads nothing.
///
/// # Errors
/// `Failed`: a dependency cannot be installed.
pub fn roles(world: &World, suite: &Suite, progress: Progress) -> Result<Base, Stop> {
    let packages = packages(&world.new, suite)?;
    let depends = foreign(&packages, "Depends").join(" ");
    let recommends = foreign(&packages, "Recommends").join(" ");
    let script = format!(
        r#"export DEBIAN_FRONTEND=noninteractive
set -- {depends} debconf-i18n iproute2 libterm-readline-gnu-perl locales tasksel whiptail
for package in {recommends}; do
    if [ -n "$(apt-cache madison "$package")" ]; then
        set -- "$@" "$package"
    fi
done
apt-get install -q -y --no-install-recommends "$@"
localedef -i es_ES -f UTF-8 es_ES.UTF-8
apt-get clean
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
"#
    );
    Ok(plain(suite, progress)?.layer(&script, progress)?)
}

/// What the resource agents and the stub of Eucalyptus depend on, and what
/// ocf-tester calls. It knows no mirror, so a test downloads nothing.
///
/// # Errors
/// As [`Base::layer`].
pub fn agents(world: &World, suite: &Suite, progress: Progress) -> Result<Base, Stop> {
    let mut packages = packages(&world.new, suite)?;
    packages.retain(|package| package.get("Package") == Some("ubuntu-ha-resource-agents"));
    let mut wanted = foreign(&packages, "Depends");
    wanted.extend(stub::depends()?);
    let script = format!(
        "export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends {} iproute2 libxml2-utils
apt-get clean
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
",
        wanted.join(" ")
    );
    Ok(plain(suite, progress)?.layer(&script, progress)?)
}

/// The suite's own lintian.
///
/// # Errors
/// As [`Base::layer`].
pub fn lint(suite: &Suite, progress: Progress) -> Result<Base, Stop> {
    let script = "apt-get install -q -y --no-install-recommends lintian\napt-get clean\n";
    Ok(plain(suite, progress)?.layer(script, progress)?)
}

/// What a source package with these Build-Depends builds in.
///
/// # Errors
/// As [`chroot::base`].
pub fn build(suite: &Suite, depends: &str, progress: Progress) -> Result<Base, Stop> {
    let mut include = names(depends);
    for name in &mut include {
        *name = name.replace("debhelper-compat", "debhelper");
    }
    include.push("build-essential".into());
    let include: Vec<&str> = include.iter().map(String::as_str).collect();
    Ok(chroot::base(suite, &include, progress)?)
}

/// The paragraphs of a repository's indexes of a suite.
///
/// # Errors
/// `Failed`: one cannot be read.
pub fn packages(dist: &Path, suite: &Suite) -> Result<Vec<Paragraph>, Stop> {
    let mut all = Vec::new();
    for architecture in ["all", "amd64"] {
        let path = dist.join(format!(
            "apt/dists/{}/main/binary-{architecture}/Packages",
            suite.name
        ));
        let text = fs::read_to_string(&path).during(format_args!("reading {}", path.display()))?;
        let paragraphs = parse_paragraphs(&text)
            .map_err(|e| Stop::failed(format!("{}: {e}", path.display())))?;
        all.extend(paragraphs);
    }
    Ok(all)
}

/// Names of other people's packages in a relation field of all packages.
fn foreign(packages: &[Paragraph], field: &str) -> Vec<String> {
    let all: BTreeSet<String> = packages
        .iter()
        .filter_map(|package| package.get(field))
        .flat_map(names)
        .filter(|name| !name.starts_with("ubuntu-ha-"))
        .collect();
    all.into_iter().collect()
}

/// The first alternative of each relation, without its version.
fn names(relations: &str) -> Vec<String> {
    relations
        .split(',')
        .filter_map(|group| group.split('|').next())
        .filter_map(|first| first.split(['(', '[', '<']).next())
        .map(|name| name.trim().split(':').next().unwrap_or_default().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use debcrate::parse_paragraphs;

    use super::{foreign, names};

    #[test]
    fn relations_become_names() {
        assert_eq!(
            names("debconf (>= 0.5) | debconf-2.0,\n pacemaker, python3:any [amd64]"),
            ["debconf", "pacemaker", "python3"]
        );
        assert_eq!(names(""), Vec::<String>::new());
    }

    #[test]
    fn our_own_packages_are_not_foreign() {
        let text =
            "Package: a\nDepends: ubuntu-ha-node, pcs\n\nPackage: b\nDepends: corosync, pcs\n";
        let packages = parse_paragraphs(text).unwrap();
        assert_eq!(foreign(&packages, "Depends"), ["corosync", "pcs"]);
    }
}
