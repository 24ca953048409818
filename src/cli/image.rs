//! `hapkg image`.

use std::time::Duration;

use serde_json::json;

use super::print;
use super::progress::Progress;
use crate::build;
use crate::failure::Failure;
use crate::vm::cache::{self, Kind, Limits};
use crate::vm::image;

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
    /// List images and templates of clusters, the least recently used last.
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
        /// And as many more, the least recently used first, as it takes to
        /// leave no more than so much: 10G, 500M.
        #[arg(long, value_name = "SIZE", value_parser = bytes)]
        to: Option<u64>,
    },
}

fn bytes(text: &str) -> Result<u64, String> {
    cache::size(text).ok_or_else(|| "not a number with M or G, like 10G".into())
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        What::Build { suites, packages } => make(suites, packages),
        What::List { json } => list(*json),
        What::Prune { days, to } => prune(*days, *to),
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
    let all = cache::list()?;
    if !as_json {
        return all.iter().try_for_each(|one| print(&format!("{one}\n")));
    }
    let of = |kind: Kind| -> Vec<_> {
        let all = all.iter().filter(|one| one.kind == kind);
        all.map(|one| {
            json!({
                "name": one.name,
                "image": one.image,
                "bytes": one.size,
                "unused_seconds": one.unused.as_secs(),
                "in_use": one.in_use,
            })
        })
        .collect()
    };
    let text = json!({
        "images": of(Kind::Image),
        "templates": of(Kind::Template),
        "bytes": all.iter().map(|one| one.size).sum::<u64>(),
        "most_bytes": cache::most()?,
    });
    print(&format!("{text}\n"))
}

fn prune(days: u32, most: Option<u64>) -> Result<(), Failure> {
    let limits = Limits {
        unused: Some(DAY * days),
        size: most,
        free: None,
    };
    let gone = cache::prune(&limits)?;
    gone.iter()
        .try_for_each(|one| print(&format!("removed {one}\n")))
}
