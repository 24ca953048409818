//! `dist/apt`: a pool and one `dists/SUITE` for each suite.
//!
//! Written so that a client sees the old repository or the new one: pool and
//! by-hash files first, Release files last, every file by rename.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use debcrate::{Paragraph, Release, packages_paragraph, suite_files};

use super::Built;
use super::product::Product;
use super::sign::Key;
use crate::atomic;
use crate::failure::Failure;
use crate::recipe::suite::{Family, Suite};

const ARCHITECTURES: [&str; 2] = ["all", "amd64"];

/// Holds the output directory for one build at a time; let go when dropped.
///
/// # Errors
/// The directory cannot be made, or locked.
#[allow(
    clippy::incompatible_msrv,
    reason = "the packager is built by a current rustc; only the node program keeps to 1.85"
)]
pub fn hold(out: &Path) -> Result<fs::File, Failure> {
    atomic::create_dir_all(out, 0o755)?;
    let path = out.join(".lock");
    let failed =
        |e: std::io::Error| Failure::environment(format!("locking {}: {e}", path.display()));
    let file = fs::File::create(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// What the repository held before this build.
#[derive(Debug)]
pub struct Shelf {
    dir: PathBuf,
    known: BTreeMap<&'static str, Vec<Paragraph>>,
}

impl Shelf {
    /// Reads the indexes of `suites`; a repository that is not there yet is
    /// empty.
    ///
    /// # Errors
    /// An index that is there and cannot be read or parsed.
    pub fn read(dir: &Path, suites: &[&'static Suite]) -> Result<Self, Failure> {
        let mut known = BTreeMap::new();
        for suite in suites {
            let mut paragraphs = Vec::new();
            for architecture in ARCHITECTURES {
                let path = dir.join(index_path(suite, architecture));
                let text = match fs::read_to_string(&path) {
                    Ok(text) => text,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => {
                        return Err(Failure::environment(format!(
                            "reading {}: {e}",
                            path.display()
                        )));
                    }
                };
                paragraphs.extend(debcrate::read_packages(&text).map_err(|e| {
                    Failure::no(format!(
                        "{}: {e}; remove the damaged repository {} or build elsewhere with --out",
                        path.display(),
                        dir.display()
                    ))
                })?);
            }
            known.insert(suite.name, paragraphs);
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            known,
        })
    }

    /// The index paragraphs of `suite`.
    pub fn known(&self, suite: &Suite) -> &[Paragraph] {
        self.known.get(suite.name).map_or(&[], Vec::as_slice)
    }

    /// Puts `products` into the repository, beside what it holds already.
    ///
    /// # Errors
    /// A file cannot be written, or gpg cannot sign.
    pub fn publish(
        &self,
        products: &[Product],
        key: Option<&Key>,
        built: &mut Built,
    ) -> Result<(), Failure> {
        let mut by_suite: BTreeMap<&str, (&'static Suite, Vec<&Product>)> = BTreeMap::new();
        for product in products {
            by_suite
                .entry(product.suite.name)
                .or_insert((product.suite, Vec::new()))
                .1
                .push(product);
        }
        for product in products {
            let path = pool_path(product);
            put(&self.dir.join(&path), &product.deb)?;
            built
                .files
                .push(product.built(format!("apt/{path}"), &product.checksums.sha256));
        }
        for (suite, products) in by_suite.values() {
            self.publish_suite(suite, products, key)?;
        }
        Ok(())
    }

    fn publish_suite(
        &self,
        suite: &'static Suite,
        products: &[&Product],
        key: Option<&Key>,
    ) -> Result<(), Failure> {
        let dists = self.dir.join("dists").join(suite.name);
        let failed = |e: debcrate::Error| Failure::no(format!("the index of {}: {e}", suite.name));
        let release = self.release(suite, products);
        let packages = self.packages(suite, products).map_err(failed)?;
        let mut files = suite_files(&release, &packages).map_err(failed)?;
        let sealed = files.remove("Release").unwrap_or_default();
        let kept = hashes_of_release(&dists);
        let (copies, indexes): (Vec<_>, Vec<_>) = files
            .iter()
            .partition(|(path, _)| path.contains("/by-hash/"));
        for (path, data) in copies.iter().chain(&indexes) {
            put(&dists.join(path), data)?;
        }
        seal(&dists, &sealed, key)?;
        for architecture in ARCHITECTURES {
            let dir = format!("main/binary-{architecture}/by-hash/SHA256");
            forget(&dists.join(&dir), |hash| {
                kept.contains(hash) || files.contains_key(&format!("{dir}/{hash}"))
            })?;
        }
        Ok(())
    }

    /// The index paragraphs by component and architecture: what was there,
    /// with this build's packages in place of the same ones.
    fn packages(
        &self,
        suite: &Suite,
        products: &[&Product],
    ) -> debcrate::Result<BTreeMap<(String, String), Vec<Paragraph>>> {
        let mut entries: BTreeMap<(String, String, String), Paragraph> = BTreeMap::new();
        for paragraph in self.known(suite) {
            if self.in_pool(paragraph) {
                entries.insert(identity(paragraph), paragraph.clone());
            }
        }
        for product in products {
            let entry =
                packages_paragraph(&product.control, &pool_path(product), &product.checksums)?;
            entries.insert(identity(&entry), entry);
        }
        let mut packages: BTreeMap<(String, String), Vec<Paragraph>> = BTreeMap::new();
        for ((architecture, _, _), entry) in entries {
            packages
                .entry(("main".into(), architecture))
                .or_default()
                .push(entry);
        }
        Ok(packages)
    }

    fn in_pool(&self, paragraph: &Paragraph) -> bool {
        paragraph
            .get("Filename")
            .is_some_and(|path| self.dir.join(path).is_file())
    }

    /// Dated by the newest changelog entry among the packages, so that the
    /// same recipes give the same repository on any day.
    fn release(&self, suite: &Suite, products: &[&Product]) -> Release {
        let family = match suite.family {
            Family::Ubuntu => "Ubuntu",
            Family::Debian => "Debian",
        };
        Release {
            origin: "hapkg".into(),
            label: "hapkg".into(),
            suite: suite.name.into(),
            codename: suite.name.into(),
            timestamp: products
                .iter()
                .map(|product| product.mtime)
                .max()
                .unwrap_or_default(),
            architectures: ARCHITECTURES.map(String::from).to_vec(),
            components: vec!["main".into()],
            description: format!("High-availability roles for {family} {}", suite.release),
        }
    }
}

/// Writes Release and its signatures. An unsigned build takes the old
/// signatures away, which would vouch for another Release.
fn seal(dists: &Path, release: &[u8], key: Option<&Key>) -> Result<(), Failure> {
    let signed = match key {
        Some(key) => Some((key.clearsign(release)?, key.detached(release)?)),
        None => None,
    };
    let (inline, detached) = (dists.join("InRelease"), dists.join("Release.gpg"));
    if signed.is_none() {
        for path in [&inline, &detached] {
            match fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::environment(format!(
                        "removing {}: {e}",
                        path.display()
                    )));
                }
                _ => {}
            }
        }
    }
    put(&dists.join("Release"), release)?;
    if let Some((inline_text, signature)) = signed {
        put(&detached, &signature)?;
        put(&inline, &inline_text)?;
    }
    Ok(())
}

/// Hashes that the present Release lists: a client may still ask for them.
fn hashes_of_release(dists: &Path) -> BTreeSet<String> {
    fs::read_to_string(dists.join("Release"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix(' ')?.split_whitespace().next())
        .map(String::from)
        .collect()
}

fn identity(paragraph: &Paragraph) -> (String, String, String) {
    let field = |name| paragraph.get(name).unwrap_or_default().to_string();
    (field("Architecture"), field("Package"), field("Version"))
}

fn index_path(suite: &Suite, architecture: &str) -> String {
    format!("dists/{}/main/binary-{architecture}/Packages", suite.name)
}

fn pool_path(product: &Product) -> String {
    format!("pool/main/u/{}/{}", product.package, product.deb_name())
}

fn forget(dir: &Path, keep: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if !keep(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path()).map_err(|e| {
                Failure::environment(format!("removing {}: {e}", entry.path().display()))
            })?;
        }
    }
    Ok(())
}

/// Writes a public file unless it holds just that already.
pub fn put(path: &Path, data: &[u8]) -> Result<(), Failure> {
    let same = fs::metadata(path).is_ok_and(|meta| meta.len() == data.len() as u64)
        && fs::read(path).is_ok_and(|present| present == data);
    if !same {
        if let Some(dir) = path.parent() {
            atomic::create_dir_all(dir, 0o755)?;
        }
        atomic::write(path, data, 0o644)?;
    }
    Ok(())
}
