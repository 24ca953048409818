//! `hapkg image`.

use std::time::Duration;

use serde_json::json;

use super::print;
use super::progress::Progress;
use crate::build;
use crate::failure::Failure;
use crate::vm::image::{self, Stored};
use crate::vm::template;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Disk images that trials boot, cached by their content.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make images, where the cache has them not; prints their directories.
    Build {
        /// Suite to make one for [default: all].
        #[arg(long = "suite", value_name = "SUITE")]
        suites: Vec<String>,
        /// Package to install beside the system.
        #[arg(long = "with", value_name = "PACKAGE")]
        packages: Vec<String>,
    },
    /// List the images in the cache.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove images, and templates of clusters, that no process uses.
    Prune {
        /// Only those that nobody used for so many days.
        #[arg(long, value_name = "DAYS", default_value_t = 14)]
        days: u32,
    },
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        What::Build { suites, packages } => make(suites, packages),
        What::List { json } => list(*json),
        What::Prune { days } => prune(*days),
    }
}

fn make(names: &[String], packages: &[String]) -> Result<(), Failure> {
    let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
    for suite in build::suites(names)? {
        let progress = Progress::new();
        let made = image::build(suite, &packages, &|text| progress.say(text))?;
        drop(progress);
        print(&format!("{}\n", made.path().display()))?;
    }
    Ok(())
}

fn list(as_json: bool) -> Result<(), Failure> {
    let images = image::list()?;
    if as_json {
        let all: Vec<_> = images
            .iter()
            .map(|one| {
                json!({
                    "suite": one.suite,
                    "key": one.key,
                    "bytes": one.size,
                    "unused_seconds": one.unused.as_secs(),
                    "in_use": one.in_use,
                })
            })
            .collect();
        return print(&format!("{}\n", json!({ "images": all })));
    }
    images.iter().try_for_each(|one| print(&line(one)))
}

fn prune(days: u32) -> Result<(), Failure> {
    for name in template::prune(DAY * days)? {
        print(&format!("removed template {name}\n"))?;
    }
    let gone = image::prune(DAY * days)?;
    gone.iter()
        .try_for_each(|one| print(&format!("removed {}", line(one))))
}

/// `SUITE KEY SIZE AGE`.
fn line(one: &Stored) -> String {
    let used = if one.in_use {
        "in use".to_owned()
    } else {
        format!("unused for {} days", one.unused.as_secs() / DAY.as_secs())
    };
    format!("{} {} {} MiB, {used}\n", one.suite, one.key, one.size >> 20)
}
