//! `hapkg check`.

use std::path::Path;

use serde_json::json;

use super::print;
use super::progress::Progress;
use crate::archive::{self, Candidate, Finding, PrivateRoot, Verdict};
use crate::build;
use crate::chroot::{cache_dir, chosen_mirror};
use crate::failure::Failure;
use crate::recipe::{Problem, Problems, view};

/// Report every error of the recipes, with file, line and remedy.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of roles, or paths of recipes [default: all].
    #[arg(value_name = "RECIPE")]
    words: Vec<String>,
    /// Suite to check for [default: all].
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// Prove with the suite's real package index that every dependency can be installed.
    #[arg(long)]
    archive: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let suites = build::suites(&args.suites)?;
    let surroundings = build::context(recipes)?;
    let paths = build::find(&args.words, recipes)?;
    let loaded = match build::load(&paths, &surroundings) {
        Err(Failure::Recipes(files)) if args.json => {
            let problems: Vec<&Problem> = files.iter().flat_map(Problems::iter).collect();
            print(&format!(
                "{}\n",
                json!({ "ok": false, "problems": problems })
            ))?;
            return Err(Failure::no(""));
        }
        other => other?,
    };
    if !args.archive {
        return if args.json {
            print(&format!("{}\n", json!({ "ok": true, "problems": [] })))
        } else {
            print(&format!(
                "{} checked, no error\n",
                count(loaded.len(), "recipe")
            ))
        };
    }

    // Support packages are on offer too, so that a role's dependency on
    // ubuntu-ha-node is solved with that package's own dependencies.
    let everything = build::find(&[], recipes).unwrap_or_default();
    let mut offered = build::load(&everything, &surroundings)?;
    let asked: Vec<String> = loaded
        .iter()
        .map(|one| one.recipe.role.name.clone())
        .collect();
    for one in loaded {
        if offered
            .iter()
            .all(|other| other.recipe.role.name != one.recipe.role.name)
        {
            offered.push(one);
        }
    }
    let cache = cache_dir()?.join("archive");
    let progress = Progress::new();
    let mut report = Vec::new();
    for suite in suites {
        progress.say(&format!("{}: fetching the package index", suite.name));
        let root = PrivateRoot::open(suite, &cache, &chosen_mirror(suite))?;
        let candidates: Vec<Candidate> = offered
            .iter()
            .map(|one| candidate(&view::for_suite(&one.recipe, suite)))
            .collect();
        let wanted: Vec<String> = asked
            .iter()
            .map(|name| format!("ubuntu-ha-{name}"))
            .collect();
        progress.say(&format!("{}: asking apt's solver", root.suite().name));
        let findings = archive::check(&root, &candidates, &wanted)?;
        report.push((suite.name, findings));
    }
    drop(progress);
    tell(&report, args.json)
}

fn candidate(view: &view::SuiteView<'_>) -> Candidate {
    let packages = &view.packages;
    let other = [
        ("Suggests", &packages.suggests),
        ("Conflicts", &packages.conflicts),
        ("Breaks", &packages.breaks),
        ("Replaces", &packages.replaces),
        ("Provides", &packages.provides),
    ];
    Candidate {
        package: view.package.clone(),
        version: view.version.clone(),
        depends: packages.depends.clone(),
        recommends: packages.recommends.clone(),
        other: other
            .into_iter()
            .map(|(name, list)| (name, list.join(", ")))
            .collect(),
    }
}

fn tell(report: &[(&'static str, Vec<Finding>)], as_json: bool) -> Result<(), Failure> {
    let broken = report
        .iter()
        .flat_map(|(_, findings)| findings)
        .any(|one| one.field == "Depends" && one.verdict != Verdict::Installable);
    if as_json {
        let suites: serde_json::Map<String, serde_json::Value> = report
            .iter()
            .map(|(suite, findings)| ((*suite).to_string(), json!(findings)))
            .collect();
        print(&format!(
            "{}\n",
            json!({ "ok": !broken, "problems": [], "archive": suites })
        ))?;
    } else {
        let mut text = String::new();
        for (suite, findings) in report {
            for one in findings {
                text.push_str(&line(suite, one));
            }
        }
        print(&text)?;
    }
    if broken {
        return Err(Failure::no(
            "a dependency cannot be installed; name another package under [suite.NAME.replace] or remove it",
        ));
    }
    Ok(())
}

fn line(suite: &str, one: &Finding) -> String {
    let verdict = match one.verdict {
        Verdict::Installable => one
            .component
            .as_deref()
            .unwrap_or("installable")
            .to_string(),
        Verdict::Missing => "MISSING".to_string(),
        Verdict::Conflict => "CONFLICT".to_string(),
    };
    let detail = one
        .detail
        .as_deref()
        .map(|text| format!(" ({})", text.replace('\n', "; ")));
    format!(
        "{suite:9} {:27} {:10} {:40} {verdict}{}\n",
        one.package,
        one.field,
        one.relation,
        detail.unwrap_or_default()
    )
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
