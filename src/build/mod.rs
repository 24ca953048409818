//! Recipes in, packages and an apt repository out.

pub mod node_build;
pub mod node_source;
pub mod store;

mod answers;
mod batch;
mod gather;
mod least;
mod node;
mod previous;
mod product;
mod repository;
mod sign;
mod upload;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::failure::Failure;
use crate::recipe::model::Kind;
use crate::recipe::suite::Suite;
use crate::render::debconf::Catalogs;
use crate::render::installer;

use gather::Loaded;
use product::Workshop;

pub use answers::{Answers, answers, validate};
pub use gather::{Surroundings, context, find, load, suites};
pub(crate) use previous::relations;

/// What to build, from what, into where.
#[derive(Debug)]
pub struct Request<'a> {
    /// The recipes directory.
    pub recipes: &'a Path,
    /// Role names or recipe paths; empty means all.
    pub words: &'a [String],
    /// Suite names; empty means all.
    pub suites: &'a [String],
    /// The directory that receives `apt/`, `source/`, `installer/`.
    pub out: &'a Path,
    /// Write source packages too.
    pub source: bool,
    /// gpg key to sign with.
    pub sign: Option<&'a str>,
}

/// One file that a build leaves for its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuiltFile {
    pub package: String,
    pub version: String,
    pub suite: String,
    /// Relative to the output directory.
    pub path: String,
    /// Hexadecimal.
    pub sha256: String,
}

/// The outcome of a build.
#[derive(Debug, Default)]
pub struct Built {
    /// Sorted by path.
    pub files: Vec<BuiltFile>,
    pub warnings: Vec<String>,
}

/// Builds all that `request` names. Nothing is written unless every recipe is
/// sound and every package could be rendered; the repository's Release files
/// are written last.
///
/// # Errors
/// Errors of recipes, an unknown role or suite, a failure of the environment.
pub fn build(request: &Request<'_>, say: &(dyn Fn(&str) + Sync)) -> Result<Built, Failure> {
    let suites = suites(request.suites)?;
    let surroundings = context(request.recipes)?;
    let paths = find(request.words, request.recipes)?;
    let loaded = load(&paths, &surroundings)?;
    let workshop = Workshop {
        roles: gather::roles(request.recipes, &loaded, &surroundings)?,
        versions: gather::versions(request.recipes, &loaded, &surroundings)?,
        catalogs: Catalogs::load(&request.recipes.join("po"))
            .map_err(|e| Failure::no(e.to_string()))?,
        program: node::Program::new(source_root(request.recipes)),
        cache: crate::chroot::cache_dir()?,
        source: request.source,
    };
    let key = request.sign.map(sign::Key::find).transpose()?;
    let out = std::path::absolute(request.out)
        .map_err(|e| Failure::usage(format!("{}: {e}", request.out.display())))?;
    let _held = repository::hold(&out)?;
    let shelf = repository::Shelf::read(&out.join("apt"), &suites)?;

    let jobs: Vec<(&'static Suite, &Loaded)> = suites
        .iter()
        .flat_map(|suite| loaded.iter().map(move |one| (*suite, one)))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let products = parallel(cores, &jobs, |(suite, one)| {
        workshop.make(suite, one, shelf.known(suite), say)
    })?;

    say("writing the repository");
    let mut built = Built::default();
    let sources = out.join("source");
    built.warnings = shelf.altered(&products, &sources, key.is_some())?;
    let own = gather::packages(request.recipes);
    built.warnings.extend(shelf.lacking(&products, &own));
    shelf.publish(&products, key.as_ref(), &mut built)?;
    if request.source {
        upload::write(&sources, &products, key.as_ref(), &mut built)?;
    }
    if let Some(tasks) = products.iter().find(|product| product.kind == Kind::Tasks) {
        let name = "installer/ubuntu-ha.cpio.gz";
        let data = installer::initrd_hook().map_err(|e| Failure::no(e.to_string()))?;
        let mut batch = batch::Batch::default();
        batch.add(out.join(name), &data);
        batch.write()?;
        built
            .files
            .push(tasks.built(name.to_string(), &debcrate::Checksums::of(&data).sha256));
    }
    built.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(built)
}

/// Runs `work` over `jobs`, so many at once; results come in the order of
/// `jobs`. After a failure no further job is begun.
fn parallel<J: Sync, R: Send>(
    at_once: usize,
    jobs: &[J],
    work: impl Fn(&J) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let workers = at_once.min(jobs.len());
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<R, Failure>)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, job)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(index).map(|job| (index, job))
                } {
                    let result = work(job);
                    if result.is_err() {
                        next.store(jobs.len(), Ordering::Relaxed);
                    }
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The source tree of hapkg that a recipes directory is part of: the nearest
/// directory above it with a Cargo.toml.
fn source_root(recipes: &Path) -> Option<PathBuf> {
    let start = std::path::absolute(recipes).ok()?;
    start
        .ancestors()
        .find(|dir| dir.join("Cargo.toml").is_file() && dir.join("src/bin/ubuntu-ha.rs").is_file())
        .map(Path::to_path_buf)
}
