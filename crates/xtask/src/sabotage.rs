//! `cargo xtask sabotage`: recipes and clusters that are wrong in one way, each
//! of which a trial has to find. Tests of the trials themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::host::{fresh_dir, root, say, show, words};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::{lacking, machines, setup, world};

const SUITE: &str = "noble";

/// One thing made wrong.
struct Sabotage {
    name: &'static str,
    role: &'static str,
    /// What stands in the recipe, and what is put in its place.
    edits: &'static [(&'static str, &'static str)],
    /// The scenario that has to fail.
    scenario: &'static str,
    /// Settings of [start], put into that scenario.
    start: &'static str,
    /// Node and shell of what spoils the cluster that the recipe formed, before
    /// the first step.
    by_hand: &'static [(&'static str, &'static str)],
    /// What its failure has to speak of; one of them.
    about: &'static [&'static str],
}

const WITHOUT_HANDLERS: &str = "sed -i '/fence-peer/d; s/resource-and-stonith/dont-care/' /etc/drbd.d/data.res \
     && drbdadm adjust data";
const TWO_PRIMARIES: &str = "sed -i 's/protocol C;/protocol C; allow-two-primaries yes;/' /etc/drbd.d/data.res \
     && drbdadm adjust data";

/// By hand, as no design does it: on noble a cloned IPaddr2 is called started
/// and sets no address.
const ADDRESS_AGAIN: &str = "card=$(ip -o -4 addr show | awk '$4 ~ /^192[.]0[.]2[.]/ { print $2; exit }') \
     && ip addr add 192.0.2.10/24 dev $card && sleep 5";

/// As a half of a split does that was shot.
const DIES_SOON: &str = "systemd-run --quiet --on-active=20s sh -c 'echo b >/proc/sysrq-trigger'";

/// Nothing made wrong.
const SOUND: Sabotage = Sabotage {
    name: "",
    role: "",
    edits: &[],
    scenario: "",
    start: "",
    by_hand: &[],
    about: &[],
};

const ALL: [Sabotage; 9] = [
    Sabotage {
        name: "fencing-left-out",
        role: "vip",
        scenario: "freeze",
        start: "fencing = \"unfenced\"",
        about: &["was not fenced"],
        ..SOUND
    },
    Sabotage {
        name: "monitor-left-out",
        role: "vip",
        edits: &[(
            "[[resource.operation]]\nname = \"monitor\"\ninterval = \"10s\"\ntimeout = \"60s\"\n",
            "",
        )],
        scenario: "address-removed",
        about: &["no action has failed"],
        ..SOUND
    },
    Sabotage {
        name: "address-started-twice",
        role: "vip",
        scenario: "serves",
        by_hand: &[("second", ADDRESS_AGAIN)],
        about: &["alpha and beta both", "is on alpha and beta"],
        ..SOUND
    },
    Sabotage {
        name: "agent-that-lies",
        role: "vip",
        edits: &[
            (
                "agent = \"ocf:heartbeat:IPaddr2\"",
                "agent = \"ocf:pacemaker:Dummy\"",
            ),
            (
                "[resource.params]\nip = \"{{ vip.address }}\"\ncidr_netmask = \"{{ vip.prefix }}\"\nnic = \"{{ interface }}\"\n",
                "",
            ),
        ],
        scenario: "serves",
        about: &["nobody has the address"],
        ..SOUND
    },
    Sabotage {
        name: "order-left-out",
        role: "drbd",
        edits: &[
            (
                "[[order]]\nfirst = \"replica\"\nfirst_action = \"promote\"\nthen = \"active\"\nthen_action = \"start\"\n",
                "",
            ),
            (
                "[[colocation]]\nresource = \"active\"\nwith = \"replica\"\nwith_role = \"Promoted\"\n",
                "",
            ),
        ],
        scenario: "serves",
        about: &["has failed", "start state", "cluster was to form"],
        ..SOUND
    },
    Sabotage {
        name: "fencing-handlers-left-out",
        role: "drbd",
        scenario: "serves",
        by_hand: &[("first", WITHOUT_HANDLERS), ("second", WITHOUT_HANDLERS)],
        about: &["/etc/drbd.d/data.res"],
        ..SOUND
    },
    Sabotage {
        name: "ext4-on-two-primaries",
        role: "drbd",
        scenario: "serves",
        by_hand: &[
            ("first", TWO_PRIMARIES),
            ("second", TWO_PRIMARIES),
            (
                "second",
                "for i in $(seq 30); do drbdadm primary data && break; sleep 1; done \
                 && mount /dev/drbd/by-res/data/0 /mnt && sleep 20",
            ),
        ],
        about: &["primar", "mount", "fenced", "has failed"],
        ..SOUND
    },
    Sabotage {
        name: "both-halves-die",
        role: "vip",
        scenario: "serves",
        by_hand: &[
            ("first", DIES_SOON),
            ("second", DIES_SOON),
            ("first", "sleep 60"),
        ],
        about: &["no member was up"],
        ..SOUND
    },
    Sabotage {
        name: "quorum-ignored",
        role: "drbd",
        scenario: "serves",
        by_hand: &[(
            "first",
            "crm_attribute --name no-quorum-policy --update ignore",
        )],
        about: &["CIB", "no-quorum-policy"],
        ..SOUND
    },
];

/// Runs all of them and the hosts that lack something, or those whose name
/// contains `filter`; the last line says how many were caught.
///
/// # Errors
/// `Environment`: nothing can be said; `Failed`: an edit fits no recipe.
pub fn run(filter: Option<&str>) -> Result<ExitCode, Stop> {
    setup::tests()?;
    let hapkg = world::release_hapkg()?;
    let dist = lacking::wanted(filter).then(machines::built).transpose()?;
    let scratch = root().join("target/xtask/sabotage");
    let mut report = Report::default();
    let wanted = |one: &&Sabotage| filter.is_none_or(|text| one.name.contains(text));
    for one in ALL.iter().filter(wanted) {
        let place = scratch.join(one.name);
        fresh_dir(&place)?;
        let start = Instant::now();
        let outcome = match caught(one, &hapkg, &place)? {
            Ok(why) => {
                say(&format!("{}: caught: {why}", one.name));
                Outcome::Passed(1)
            }
            Err(why) => {
                say(&format!("{}: NOT CAUGHT: {why}", one.name));
                Outcome::Failed(why)
            }
        };
        report.add(&format!("sabotage/{}", one.name), start.elapsed(), outcome);
    }
    if let Some(dist) = dist {
        lacking::trials(&hapkg, &dist, filter, &mut report)?;
    }
    println!("{}", report.closing_line());
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}

/// What the trial found; or why that is not it.
fn caught(one: &Sabotage, hapkg: &Path, place: &Path) -> Result<Result<String, String>, Stop> {
    let (recipes, scenarios) = (place.join("recipes"), place.join("vm-tests"));
    world::copy(&root().join("recipes"), &recipes)?;
    edit(&recipes.join(format!("{}.toml", one.role)), one.edits)?;
    world::copy(&root().join("vm-tests/roles"), &scenarios.join("roles"))?;
    let file = format!("{}.toml", one.scenario);
    let target = scenarios.join("any").join(&file);
    let text = read(&root().join("vm-tests/any").join(&file))?;
    crate::host::write(&target, spoilt(one, text))?;

    let (dist, report) = (place.join("dist"), place.join("report"));
    say(&format!("{}: building", one.name));
    let mut build = Command::new(hapkg);
    build
        .current_dir(root())
        .args(["build", "--suite", SUITE, "--recipes"])
        .arg(&recipes)
        .arg("--out")
        .arg(&dist)
        .stdout(Stdio::null());
    show(&mut build)?;
    let mut test = machines::command(hapkg, SUITE, &report);
    test.args([one.role, "--repeat", "1", "--scenario", one.scenario])
        .arg("--recipes")
        .arg(&recipes)
        .arg("--scenarios")
        .arg(&scenarios)
        .arg("--dist")
        .arg(&dist);
    say(&words(&test));
    let status = test.status().during("running hapkg test")?;
    match status.code() {
        Some(1) => {}
        Some(3) => return Err(Stop::environment("the trial could not be run")),
        Some(0) => return Ok(Err(format!("{} passed", one.scenario))),
        _ => return Err(Stop::failed(format!("hapkg test: {status}"))),
    }
    let value = machines::read(&report)?;
    let why: Vec<&str> = value["trials"][0]["why"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line.as_str())
        .collect();
    let found = why
        .iter()
        .find(|line| one.about.iter().any(|about| line.contains(about)));
    Ok(found
        .map(|line| line.lines().next().unwrap_or_default().to_owned())
        .ok_or_else(|| format!("it failed of something else: {}", why.join("; "))))
}

/// The scenario with what is made wrong in it.
fn spoilt(one: &Sabotage, text: String) -> String {
    let text = text.replacen("[[step]]\n", &format!("{}[[step]]\n", by_hand(one)), 1);
    match one.start {
        "" => text,
        start => format!("{text}\n[start]\n{start}\n"),
    }
}

/// The steps that spoil a cluster.
fn by_hand(one: &Sabotage) -> String {
    let steps = one
        .by_hand
        .iter()
        .map(|(node, shell)| format!("[[step]]\nrun = '''\n{shell}'''\nnode = \"{node}\"\n\n"));
    steps.collect()
}

fn edit(recipe: &Path, edits: &[(&str, &str)]) -> Result<(), Stop> {
    let mut text = read(recipe)?;
    for (from, to) in edits {
        if !text.contains(from) {
            return Err(Stop::failed(format!(
                "{} has no such text any more: {from}",
                recipe.display()
            )));
        }
        text = text.replace(from, to);
    }
    crate::host::write(recipe, text)
}

fn read(path: &Path) -> Result<String, Stop> {
    fs::read_to_string(path).during(format_args!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hapkg::recipe::{Context, load};

    use hapkg::trial::scenario;

    use super::{ALL, by_hand, edit, spoilt};
    use crate::host::root;

    /// What a recipe's check would refuse proves nothing of the trials.
    #[test]
    fn every_sabotaged_recipe_passes_the_check() {
        let node = load(
            &root().join("recipes/support/node.toml"),
            &Context::default(),
        )
        .unwrap();
        let context = Context { node: Some(&node) };
        for one in &ALL {
            let place = tempfile::tempdir().unwrap();
            let recipe = place.path().join(format!("{}.toml", one.role));
            fs::copy(root().join(format!("recipes/{}.toml", one.role)), &recipe).unwrap();
            edit(&recipe, one.edits).unwrap();
            if let Err(problems) = load(&recipe, &context) {
                panic!("{}: {problems}", one.name);
            }
            let file = format!("vm-tests/any/{}.toml", one.scenario);
            let text = fs::read_to_string(root().join(&file)).unwrap();
            let text = spoilt(one, text);
            assert!(text.contains(&by_hand(one)));
            if let Err(problems) = scenario::parse(&file, &text) {
                panic!("{}: {problems}", one.name);
            }
        }
    }
}
