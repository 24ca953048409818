//! hapkg as a process: start, parse, render, pack, write, end.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{ROLE, Row, SUITE, median, middle};
use crate::host::{fresh_dir, read, root, say};
use crate::stop::{During, Stop};

/// All recipes for all suites into an empty directory; the node program is in
/// the cache.
pub fn all_roles(hapkg: &Path, scratch: &Path) -> Result<Row, Stop> {
    let out = scratch.join("all");
    say("measuring all roles for all suites");
    let mut times = Vec::new();
    for round in 0..22 {
        fresh_dir(&out)?;
        let start = Instant::now();
        read(
            Command::new(hapkg)
                .current_dir(root())
                .args(["build", "--out"])
                .arg(&out),
        )?;
        // The first one may compile the node program.
        if round > 0 {
            times.push(start.elapsed());
        }
    }
    Ok(Row {
        what: "hapkg build".into(),
        median: middle(times),
    })
}

/// A measurement with many recipes.
pub struct Many {
    pub recipes: u32,
    pub median: Duration,
    pub peak_kilobytes: u64,
}

/// Growing numbers of recipes, each a copy of one role under its own name.
pub fn many(hapkg: &Path, scratch: &Path) -> Result<Vec<Many>, Stop> {
    let mut results = Vec::new();
    for recipes in [250, 500, 1000] {
        say(&format!("measuring {recipes} recipes"));
        let dir = scratch.join(format!("recipes-{recipes}"));
        copies(&dir, recipes)?;
        let out = scratch.join("many");
        let report = scratch.join("peak");
        let mut peak = 0;
        let median = median(3, || {
            fresh_dir(&out)?;
            read(
                Command::new("/usr/bin/time")
                    .args(["-f", "%M", "-o"])
                    .arg(&report)
                    .arg(hapkg)
                    .args(["build", "--suite", SUITE, "--recipes"])
                    .arg(&dir)
                    .arg("--out")
                    .arg(&out)
                    .current_dir(root()),
            )?;
            let text = fs::read_to_string(&report).during("reading the peak memory")?;
            peak = peak.max(text.trim().parse().unwrap_or(u64::MAX));
            Ok(())
        })?;
        results.push(Many {
            recipes,
            median,
            peak_kilobytes: peak,
        });
        fs::remove_dir_all(&dir).during("removing the recipes")?;
    }
    Ok(results)
}

fn copies(dir: &Path, count: u32) -> Result<(), Stop> {
    fresh_dir(dir)?;
    let what = "copying recipes";
    let from = root().join("recipes");
    let text = fs::read_to_string(from.join(format!("{ROLE}.toml"))).during(what)?;
    fs::create_dir_all(dir.join("support")).during(what)?;
    let node = "support/node.toml";
    fs::copy(from.join(node), dir.join(node)).during(what)?;
    let own = format!("name = \"{ROLE}\"");
    for number in 0..count {
        let name = format!("{ROLE}{number:04}");
        let copy = text.replacen(&own, &format!("name = \"{name}\""), 1);
        fs::write(dir.join(name + ".toml"), copy).during(what)?;
    }
    Ok(())
}
