//! Which trials a run is made of, and how a fleet shares them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::scenario::{ANY, Profile, Scenario};
use crate::recipe::suggest;
use crate::recipe::suite::{SUITES, Suite};

/// One scenario for one role on one suite, with its repeats.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    pub scenario: &'a Scenario,
    pub role: &'a str,
    pub suite: &'static Suite,
    pub repeat: u16,
}

impl Chosen<'_> {
    /// `vip/noble/power-off`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.role, self.suite.name, self.scenario.name)
    }
}

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// All without one.
    pub roles: &'a [String],
    pub suites: &'a [&'static Suite],
    /// Patterns for the scenario's name or for `ROLE/SUITE/NAME`; all without
    /// one.
    pub patterns: &'a [String],
    /// Instead of what the scenarios say.
    pub repeat: Option<u16>,
}

/// The trials that were asked for, sorted by role, suite and start, so that
/// equal starts follow each other.
///
/// # Errors
/// Nothing fits, or a scenario repeats what it is not for, in words.
pub fn choose<'a>(
    scenarios: &'a [Scenario],
    profiles: &'a BTreeMap<String, Profile>,
    wanted: &Wanted,
) -> Result<Vec<Chosen<'a>>, String> {
    let mut all: Vec<Chosen> = Vec::new();
    for scenario in scenarios {
        repeated(scenario, &roles_of(scenario, profiles))?;
        for role in roles_of(scenario, profiles) {
            for suite in &scenario.suites {
                all.push(Chosen {
                    scenario,
                    role,
                    suite,
                    repeat: wanted.repeat.unwrap_or_else(|| scenario.times(role)),
                });
            }
        }
    }
    for role in wanted.roles {
        if !all.iter().any(|chosen| chosen.role == role) {
            let mut known: Vec<&str> = all.iter().map(|chosen| chosen.role).collect();
            known.sort_unstable();
            known.dedup();
            return Err(format!(
                "no scenario is for role {role:?}; {}",
                suggest::remedy(role, known.iter().copied())
            ));
        }
    }
    all.retain(|chosen| {
        let role = wanted.roles.is_empty() || wanted.roles.iter().any(|role| role == chosen.role);
        let suite = wanted.suites.is_empty() || wanted.suites.contains(&chosen.suite);
        let fits = |pattern: &String| {
            matches(pattern, &chosen.scenario.name) || matches(pattern, &chosen.path())
        };
        let name = wanted.patterns.is_empty() || wanted.patterns.iter().any(fits);
        role && suite && name
    });
    if all.is_empty() {
        let why = match wanted.patterns.first() {
            Some(pattern) => {
                let names = scenarios.iter().map(|scenario| scenario.name.as_str());
                format!(
                    "no scenario is called {pattern:?}; {}",
                    near(pattern, names)
                )
            }
            None => "no scenario is for that role on that suite".into(),
        };
        return Err(why);
    }
    all.sort_by_cached_key(|chosen| {
        let start = format!("{:?}", chosen.scenario.start);
        (
            chosen.role,
            SUITES.iter().position(|suite| suite == chosen.suite),
            start,
            &chosen.scenario.name,
        )
    });
    Ok(all)
}

/// A scenario for any role names in `[repeat-of]` only such as there are.
fn repeated(scenario: &Scenario, roles: &[&str]) -> Result<(), String> {
    let Some(role) = (scenario.repeat_of.keys()).find(|role| !roles.contains(&role.as_str()))
    else {
        return Ok(());
    };
    Err(format!(
        "{}: [repeat-of] names {role:?}, and the scenario is not for that role; {}",
        scenario.file.display(),
        suggest::remedy(role, roles.iter().copied())
    ))
}

fn near<'a>(pattern: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match suggest::nearest(pattern, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`hapkg test --list` names them all".into(),
    }
}

fn roles_of<'a>(scenario: &'a Scenario, profiles: &'a BTreeMap<String, Profile>) -> Vec<&'a str> {
    let mut roles: Vec<&str> = Vec::new();
    for role in &scenario.roles {
        if role == ANY {
            let with_address = profiles.values().filter(|profile| profile.address);
            roles.extend(with_address.map(|profile| profile.role.as_str()));
        } else {
            roles.push(role);
        }
    }
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Whether a text fits a shell pattern of `*`, `?` and plain characters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else {
                    return false;
                };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Reads `I/N`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn partition(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("{text:?} is no part of a whole: write such as 1/4");
    let (part, whole) = text.split_once('/').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
    let (part, whole) = (number(part)?, number(whole)?);
    match (1..=whole).contains(&part) && whole <= 1000 {
        true => Ok((part, whole)),
        false => Err(wrong()),
    }
}

/// How long trials took in an earlier report, by `ROLE/SUITE/NAME`; the longest
/// of each. Of the report only that is read, so that one of another release
/// does.
///
/// # Errors
/// It is no report, in words.
pub fn durations(report: &str) -> Result<BTreeMap<String, Duration>, String> {
    let report: Value =
        serde_json::from_str(report).map_err(|e| format!("this is no JSON: {e}"))?;
    let trials = report["trials"].as_array().ok_or("it has no trials")?;
    let mut longest: BTreeMap<String, Duration> = BTreeMap::new();
    for trial in trials {
        let word = |name: &str| trial[name].as_str().unwrap_or_default();
        let path = format!("{}/{}/{}", word("role"), word("suite"), word("scenario"));
        let took = trial["start"].as_u64().unwrap_or(0) + trial["length"].as_u64().unwrap_or(0);
        let entry = longest.entry(path).or_default();
        *entry = (*entry).max(Duration::from_millis(took));
    }
    Ok(longest)
}

/// Until a trial has been run once, this long for each step.
const EACH_STEP: Duration = Duration::from_secs(20);

/// The part `part` of `whole`, by expected duration: the longest goes to the
/// part with the least so far. The same input always gives the same parts,
/// every trial is in exactly one, and repeats stay together.
pub fn share<'a>(
    all: Vec<Chosen<'a>>,
    (part, whole): (usize, usize),
    known: &BTreeMap<String, Duration>,
) -> Vec<Chosen<'a>> {
    let expected = |chosen: &Chosen| {
        let steps = u32::try_from(chosen.scenario.steps.len() + 1).unwrap_or(u32::MAX);
        let one = known.get(&chosen.path()).copied();
        one.unwrap_or(EACH_STEP.saturating_mul(steps)) * u32::from(chosen.repeat)
    };
    let mut order: Vec<(usize, Duration, String)> = (all.iter().enumerate())
        .map(|(index, chosen)| (index, expected(chosen), chosen.path()))
        .collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.2.cmp(&b.2)));
    let mut loads = vec![Duration::ZERO; whole];
    let mut mine = vec![false; all.len()];
    for (index, took, _) in order {
        let least = (0..whole).min_by_key(|part| loads[*part]).unwrap_or(0);
        loads[least] += took;
        mine[index] = least + 1 == part;
    }
    let kept = all.into_iter().zip(mine).filter(|(_, mine)| *mine);
    kept.map(|(chosen, _)| chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::suite;
    use crate::trial::scenario::{load_all, load_profiles, parse};
    use std::path::Path;

    fn scenarios() -> Vec<Scenario> {
        let one = |name: &str, role: &str, steps: usize| {
            let text = format!(
                "name = \"{name}\"\nsummary = \"x\"\nrole = \"{role}\"\n{}",
                "[[step]]\nwait = \"1s\"\n".repeat(steps)
            );
            parse("x.toml", &text).unwrap()
        };
        vec![
            one("power-off", "any", 5),
            one("power-on", "vip", 1),
            one("diverged", "drbd", 9),
        ]
    }

    fn profiles() -> BTreeMap<String, Profile> {
        load_profiles(Path::new("vm-tests")).unwrap()
    }

    fn paths(chosen: &[Chosen]) -> Vec<String> {
        chosen.iter().map(Chosen::path).collect()
    }

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, text, fits) in [
            ("power-*", "power-off", true),
            ("*off", "power-off", true),
            ("p*r*f", "power-off", true),
            ("power-?ff", "power-off", true),
            ("power", "power-off", false),
            ("*", "", true),
            ("", "x", false),
            ("vip/*/power-off", "vip/noble/power-off", true),
            ("a*b*c", "abbbd", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn roles_suites_and_names_select() {
        let (scenarios, profiles) = (scenarios(), profiles());
        let roles = ["vip".to_string()];
        let noble = [suite::find("noble").unwrap()];
        let wanted = Wanted {
            roles: &roles,
            suites: &noble,
            ..Wanted::default()
        };
        let chosen = choose(&scenarios, &profiles, &wanted).unwrap();
        assert_eq!(
            paths(&chosen),
            ["vip/noble/power-off", "vip/noble/power-on"]
        );
        let patterns = ["div*".to_string()];
        let wanted = Wanted {
            patterns: &patterns,
            ..Wanted::default()
        };
        let chosen = choose(&scenarios, &profiles, &wanted).unwrap();
        assert_eq!(chosen.len(), 3);
        let patterns = ["power-off".to_string()];
        let any = Wanted {
            patterns: &patterns,
            suites: &noble,
            ..Wanted::default()
        };
        let chosen = choose(&scenarios, &profiles, &any).unwrap();
        let with_address = profiles.values().filter(|profile| profile.address).count();
        assert_eq!(chosen.len(), with_address);
        assert!(!paths(&chosen).contains(&"clvm/noble/power-off".to_string()));
    }

    #[test]
    fn a_misspelt_role_to_repeat_is_refused() {
        let profiles = load_profiles(Path::new("vm-tests")).unwrap();
        let text = |role: &str| {
            format!(
                "name = \"x\"\nsummary = \"x\"\nrole = \"any\"\n[repeat-of]\n{role} = 3\n\
                 [[step]]\nwait = \"1s\"\n"
            )
        };
        let chosen = |role: &str| {
            let scenarios = [parse("x.toml", &text(role)).unwrap()];
            let chosen = choose(&scenarios, &profiles, &Wanted::default());
            chosen.map(|all| all.len())
        };
        assert!(chosen("drbd").is_ok());
        let why = chosen("drdb").unwrap_err();
        assert!(why.contains("x.toml") && why.contains("`drbd`"), "{why}");
        // It has no address, which `any` asks for.
        assert!(chosen("clvm").is_err());
    }

    #[test]
    fn what_fits_nothing_is_refused_with_a_hint() {
        let (scenarios, profiles) = (scenarios(), profiles());
        let roles = ["vpi".to_string()];
        let wanted = Wanted {
            roles: &roles,
            ..Wanted::default()
        };
        let why = choose(&scenarios, &profiles, &wanted).unwrap_err();
        assert!(why.contains("did you mean `vip`?"), "{why}");
        let patterns = ["power-of".to_string()];
        let wanted = Wanted {
            patterns: &patterns,
            ..Wanted::default()
        };
        let why = choose(&scenarios, &profiles, &wanted).unwrap_err();
        assert!(why.contains("did you mean `power-off`?"), "{why}");
    }

    #[test]
    fn a_part_of_a_whole_is_read_strictly() {
        assert_eq!(partition("1/4"), Ok((1, 4)));
        for wrong in ["", "1", "0/4", "5/4", "a/4", "1/", "-1/4", "1/4/4"] {
            assert!(partition(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_parts_are_disjoint_whole_and_balanced() {
        let scenarios = load_all(Path::new("vm-tests")).unwrap();
        let profiles = profiles();
        let all = choose(&scenarios, &profiles, &Wanted::default()).unwrap();
        let known = BTreeMap::from([(all[0].path(), Duration::from_secs(3600))]);
        let mut seen = Vec::new();
        let mut loads = Vec::new();
        for part in 1..=4 {
            let mine = share(all.clone(), (part, 4), &known);
            let again = share(all.clone(), (part, 4), &known);
            assert_eq!(paths(&mine), paths(&again));
            let load: u64 = (mine.iter())
                .map(|chosen| (chosen.scenario.steps.len() as u64 + 1) * u64::from(chosen.repeat))
                .sum();
            loads.push(load);
            seen.extend(paths(&mine));
        }
        let mut expected = paths(&all);
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(most * 10 < least * 30, "{loads:?}");
    }

    #[test]
    fn a_scenario_is_repeated_as_it_says_of_the_role() {
        let text = "name = \"x\"\nsummary = \"x\"\nroles = [\"vip\", \"drbd\"]\nrepeat = 5\n\
                    [repeat-of]\nvip = 10\n[[step]]\nwait = \"1s\"\n";
        let all = [parse("x.toml", text).unwrap()];
        let none = BTreeMap::new();
        let times = |repeat| -> Vec<(&str, u16)> {
            let wanted = Wanted {
                roles: &[],
                suites: &[],
                patterns: &[],
                repeat,
            };
            let chosen = choose(&all, &none, &wanted).unwrap();
            let mut times: Vec<_> = (chosen.iter()).map(|one| (one.role, one.repeat)).collect();
            times.dedup();
            times
        };
        assert_eq!(times(None), [("drbd", 5), ("vip", 10)]);
        assert_eq!(times(Some(2)), [("drbd", 2), ("vip", 2)]);
    }

    #[test]
    fn an_earlier_report_tells_how_long_it_took() {
        let text = "{\"trials\": [{\"role\": \"vip\", \"suite\": \"noble\", \"scenario\": \"x\", \
                    \"start\": 1000, \"length\": 2000}]}";
        let known = durations(text).unwrap();
        assert_eq!(known["vip/noble/x"], Duration::from_secs(3));
        for wrong in ["no json", "{}"] {
            assert!(durations(wrong).is_err(), "{wrong}");
        }
    }
}
