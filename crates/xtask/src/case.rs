//! The table of chroot tests, spread over suites and roles.

use std::sync::Mutex;

use hapkg::chroot::{Base, Network};
use hapkg::recipe::suite::{SUITES, Suite};

use crate::bases;
use crate::machine::Machine;
use crate::stop::Stop;
use crate::trials::{
    agents, build, clean, cluster, frontend, lifecycle, lint, preseed, reproduce, scripts, solver,
    tasks, upgrade,
};
use crate::world::{ROLES, World};

/// What a test may use.
pub struct Case<'a> {
    pub world: &'a World,
    pub suite: &'static Suite,
    /// Empty for a test that is not about one role.
    pub role: &'a str,
    log: Mutex<String>,
}

impl Case<'_> {
    /// The role's package.
    pub fn package(&self) -> String {
        format!("ubuntu-ha-{}", self.role)
    }

    /// Runs `work` on a fresh system with the repository in it; what happened
    /// there goes to the case's log, whatever the end.
    ///
    /// # Errors
    /// Those of `work`, or of the chroot.
    pub fn on(
        &self,
        base: &Base,
        network: Network,
        work: impl FnOnce(&Machine) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let machine = Machine::new(base, network)?;
        let dist = &self.world.new;
        let done = machine
            .add_repository(dist, self.suite.name, &self.world.keyring)
            .and_then(|()| work(&machine));
        self.note(&machine.log());
        done
    }

    /// Adds to the case's log.
    pub fn note(&self, text: &str) {
        let mut log = self
            .log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        log.push_str(text);
        log.push('\n');
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

type Run = fn(&Case) -> Result<(), Stop>;

/// How often a test is run.
#[derive(Clone, Copy)]
enum Spread {
    /// In every suite, for every role.
    Roles,
    /// In every suite, for these roles.
    Some(&'static [&'static str]),
    /// In every suite.
    Suites,
    /// In these suites.
    Only(&'static [&'static str]),
    /// Once.
    Once,
}

/// When a test is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// With `--all`: it downloads or compiles much, and what it covers is covered
    /// by another test in a smaller way.
    All,
}

/// Long ones first, so that no core is left alone with one at the end.
const TABLE: &[(&str, Spread, When, Run)] = &[
    ("dependencies", Spread::Suites, When::Always, dependencies),
    // Minutes of compiling each. `hapkg build` has compiled the same sources in
    // the chroots of all suites; that a .dsc gives the same bytes again is seen
    // with the oldest compiler, and with all of them by `--all`.
    (
        "source-node",
        Spread::Only(&["trixie"]),
        When::Always,
        build::node,
    ),
    (
        "source-node",
        Spread::Only(&["noble", "resolute"]),
        When::All,
        build::node,
    ),
    (
        "clean",
        Spread::Some(&["clc"]),
        When::Always,
        clean::install,
    ),
    ("clean", Spread::Some(OTHERS), When::All, clean::install),
    ("lintian", Spread::Suites, When::Always, lint::lintian),
    ("source", Spread::Suites, When::Always, build::roles),
    ("cluster", Spread::Suites, When::Always, cluster::cluster),
    (
        "ocf-tester",
        Spread::Suites,
        When::Always,
        agents::ocf_tester,
    ),
    ("archive", Spread::Suites, When::Always, solver::archive),
    (
        "shellcheck",
        Spread::Suites,
        When::Always,
        scripts::shellcheck,
    ),
    (
        "reproducible",
        Spread::Once,
        When::Always,
        reproduce::packed_twice,
    ),
    (
        "reproducible-compile",
        Spread::Once,
        When::All,
        reproduce::compiled_twice,
    ),
    ("signature", Spread::Suites, When::Always, clean::signature),
    ("readline", Spread::Roles, When::Always, frontend::readline),
    (
        "dialog",
        Spread::Some(&["vip"]),
        When::Always,
        frontend::dialog,
    ),
    ("dialog", Spread::Some(NOT_VIP), When::All, frontend::dialog),
    (
        "spanish",
        Spread::Some(&["vip"]),
        When::Always,
        frontend::spanish,
    ),
    (
        "reconfigure",
        Spread::Roles,
        When::Always,
        lifecycle::reconfigure,
    ),
    ("upgrade", Spread::Roles, When::Always, upgrade::upgrade),
    ("preseed", Spread::Roles, When::Always, preseed::preseed),
    (
        "unanswered",
        Spread::Roles,
        When::Always,
        lifecycle::unanswered,
    ),
    ("apt-task", Spread::Roles, When::Always, tasks::apt_task),
    (
        "tasksel",
        Spread::Some(&["clc"]),
        When::Always,
        tasks::tasksel,
    ),
    ("tasksel", Spread::Some(OTHERS), When::All, tasks::tasksel),
    (
        "installer",
        Spread::Some(&["clc"]),
        When::Always,
        tasks::installer,
    ),
    (
        "installer",
        Spread::Some(OTHERS),
        When::All,
        tasks::installer,
    ),
];

const OTHERS: &[&str] = &["vip", "drbd", "clvm", "advanced"];
const NOT_VIP: &[&str] = &["clc", "drbd", "clvm", "advanced"];

/// Everything that the roles depend on and recommend installs together; the
/// tests of the roles start from there.
fn dependencies(case: &Case) -> Result<(), Stop> {
    bases::roles(case.world, case.suite, &|line| case.note(line)).map(|_| ())
}

/// A test with its name, `TEST/SUITE/ROLE`.
pub struct Named<'a> {
    pub name: String,
    pub case: Case<'a>,
    pub run: Run,
}

/// The tests of this run, in order.
pub fn table<'a>(world: &'a World, all: bool, filter: Option<&str>) -> Vec<Named<'a>> {
    let mut cases = Vec::new();
    for (test, spread, when, run) in TABLE {
        if *when == When::All && !all {
            continue;
        }
        for (suite, role) in spread_out(*spread) {
            let mut name = (*test).to_owned();
            if !matches!(spread, Spread::Once) {
                name = format!("{name}/{}", suite.name);
            }
            if !role.is_empty() {
                name = format!("{name}/{role}");
            }
            if filter.is_some_and(|filter| !name.contains(filter)) {
                continue;
            }
            cases.push(Named {
                name,
                case: Case {
                    world,
                    suite,
                    role,
                    log: Mutex::default(),
                },
                run: *run,
            });
        }
    }
    cases
}

fn spread_out(spread: Spread) -> Vec<(&'static Suite, &'static str)> {
    let roles: &[&str] = match spread {
        Spread::Roles => &ROLES,
        Spread::Some(roles) => roles,
        Spread::Suites | Spread::Only(_) | Spread::Once => &[""],
    };
    let suites = match spread {
        Spread::Once => &SUITES[..1],
        _ => SUITES,
    };
    let wanted = move |suite: &&'static Suite| match spread {
        Spread::Only(names) => names.contains(&suite.name),
        _ => true,
    };
    suites
        .iter()
        .filter(wanted)
        .flat_map(|suite| roles.iter().map(move |role| (suite, *role)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SUITES, Spread, TABLE, spread_out};

    #[test]
    fn a_role_is_tested_in_every_suite() {
        let pairs = spread_out(Spread::Roles);
        assert_eq!(pairs.len(), SUITES.len() * 5);
        assert_eq!(spread_out(Spread::Once).len(), 1);
        assert_eq!(spread_out(Spread::Only(&["trixie"])).len(), 1);
    }

    #[test]
    fn the_source_of_the_node_is_built_in_every_suite() {
        let all = TABLE.iter().filter(|(test, ..)| *test == "source-node");
        let count: usize = all.map(|(_, spread, ..)| spread_out(*spread).len()).sum();
        assert_eq!(count, SUITES.len());
    }

    #[test]
    fn no_test_runs_twice() {
        let mut names: Vec<String> = TABLE
            .iter()
            .flat_map(|(test, spread, _, _)| {
                spread_out(*spread)
                    .into_iter()
                    .map(move |(suite, role)| format!("{test}/{}/{role}", suite.name))
            })
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
