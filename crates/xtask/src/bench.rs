//! `cargo xtask bench build`: what hapkg's speed is, beside the tools that
//! make the same package. `bench vm` is in [`machines`].

pub mod machines;
mod rivals;
mod whole;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hapkg::recipe::suite::{self, Packing, Suite};
use hapkg::recipe::{Context, load};
use hapkg::render::debconf::Catalogs;
use hapkg::render::{Inputs, render};

use crate::host::{cargo, fresh_dir, root, say, show};
use crate::stop::{During, Stop};
use crate::{setup, world};

/// The package that everyone makes.
const ROLE: &str = "vip";
const SUITE: &str = "noble";

/// One line of the result.
struct Row {
    what: String,
    median: Duration,
}

/// Runs the comparison and prints it. Measured code is release code: from a
/// debug build this starts itself again.
///
/// # Errors
/// `Environment`: a rival is missing; `Failed`: hapkg does not build.
pub fn build() -> Result<(), Stop> {
    if cfg!(debug_assertions) {
        say("measuring with a release build");
        let again = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return show(cargo().args(again).args(["bench", "build"]));
    }
    setup::build()?;
    setup::bench()?;
    let hapkg = world::release_hapkg()?;
    let scratch = root().join("target/xtask/bench");
    fresh_dir(&scratch)?;

    let deb = scratch.join("hapkg.deb");
    let own = in_process(&deb)?;
    let dpkg = rivals::dpkg_deb(&deb, &scratch)?;
    let equivs = rivals::equivs(&deb, &scratch)?;
    let cargo_deb = rivals::cargo_deb(&deb, &scratch)?;
    println!("One .deb, ubuntu-ha-{ROLE} for {SUITE}, median:");
    let first = own.median;
    for row in [&own, &dpkg, &equivs, &cargo_deb] {
        println!(
            "  {:<44} {:>9}  {:>7.1} x",
            row.what,
            millis(row.median),
            row.median.as_secs_f64() / first.as_secs_f64()
        );
    }
    verdict("4 times dpkg-deb", dpkg.median >= first * 4);
    verdict("100 times equivs-build", equivs.median >= first * 100);

    let all = whole::all_roles(&hapkg, &scratch)?;
    println!("\nAll recipes for all suites, as a whole process, median:");
    println!("  {:<44} {:>9}", all.what, millis(all.median));
    verdict("below 100 ms", all.median < Duration::from_millis(100));

    println!("\nMany recipes for {SUITE}, as a whole process:");
    let many = whole::many(&hapkg, &scratch)?;
    for one in &many {
        println!(
            "  {:>5} recipes {:>12}, {:>8} each, peak {:>5} MB",
            one.recipes,
            millis(one.median),
            millis(one.median / one.recipes),
            one.peak_kilobytes / 1024
        );
    }
    if let (Some(least), Some(most)) = (many.first(), many.last()) {
        let each = |one: &whole::Many| one.median.as_secs_f64() / f64::from(one.recipes);
        verdict(
            "linear: no more time for each than with few, by a quarter",
            each(most) <= each(least) * 1.25,
        );
        verdict("below 200 MB", most.peak_kilobytes < 200 * 1024);
    }
    Ok(())
}

fn verdict(target: &str, reached: bool) {
    println!(
        "  {} {target}",
        if reached { "reached:" } else { "MISSED:" }
    );
}

/// From the parsed recipe to the .deb's bytes, in one process.
fn in_process(deb: &Path) -> Result<Row, Stop> {
    let suite = suite::find(SUITE).ok_or_else(|| Stop::failed("no such suite"))?;
    let recipes = root().join("recipes");
    let refused = |problems: hapkg::recipe::Problems| Stop::failed(problems.to_string());
    let node = load(&recipes.join("support/node.toml"), &Context::default()).map_err(refused)?;
    let context = Context { node: Some(&node) };
    let recipe = load(&recipes.join(format!("{ROLE}.toml")), &context).map_err(refused)?;
    let catalogs = Catalogs::load(&recipes.join("po")).map_err(|e| Stop::failed(e.to_string()))?;
    let inputs = Inputs {
        recipe: &recipe,
        suite,
        sources: &Default::default(),
        catalogs: &catalogs,
        roles: std::slice::from_ref(&recipe),
        node_tree: None,
        node_build: None,
        dependency_changes: &[],
    };
    let mut bytes = Vec::new();
    let median = median(201, || {
        bytes = make(&inputs, suite)?;
        Ok(())
    })?;
    fs::write(deb, &bytes).during("writing the measured package")?;
    Ok(Row {
        what: "hapkg, recipe to .deb, in process".into(),
        median,
    })
}

fn make(inputs: &Inputs, suite: &Suite) -> Result<Vec<u8>, Stop> {
    let failed = |e: &dyn std::fmt::Display| Stop::failed(e.to_string());
    let rendered = render(inputs).map_err(|e| failed(&e))?;
    let binary = rendered
        .binary
        .as_ref()
        .ok_or_else(|| Stop::failed("no binary package"))?;
    let compression = match suite.packing {
        Packing::Xz => debcrate::Compression::Xz,
        Packing::Zstd => debcrate::Compression::Zstd,
    };
    let mut deb = Vec::new();
    debcrate::write_deb(&mut deb, binary, rendered.mtime, compression).map_err(|e| failed(&e))?;
    Ok(deb)
}

/// The median of `runs` timed calls, after one that warms up.
fn median(runs: usize, mut work: impl FnMut() -> Result<(), Stop>) -> Result<Duration, Stop> {
    work()?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{middle, millis};

    #[test]
    fn the_middle_ignores_outliers() {
        let times = [5, 1, 900].map(Duration::from_millis);
        assert_eq!(middle(times.to_vec()), Duration::from_millis(5));
        assert_eq!(millis(Duration::from_micros(1234)), "1.23 ms");
    }
}
