//! `dist/apt`: a pool and one `dists/SUITE` for each suite.
//!
//! Written so that a client sees the old repository or the new one: pool and
//! by-hash files first, Release files last, every file by rename.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use debcrate::{Paragraph, Release, packages_paragraph, suite_files};

use super::Built;
use super::batch::Batch;
use super::previous::relations;
use super::product::Product;
use super::sign::Key;
use crate::atomic;
use crate::failure::Failure;
use crate::recipe::date;
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
    file.set_permissions(fs::Permissions::from_mode(0o644))
        .map_err(failed)?;
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

    /// A warning for each package of `own` (with the word that builds it) on
    /// which `products` depend, and that neither they nor the repository hold.
    pub fn lacking(&self, products: &[Product], own: &BTreeMap<String, String>) -> Vec<String> {
        let mut lacking: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for product in products {
            let held = |name: &str| {
                let built = |other: &Product| {
                    other.suite.name == product.suite.name && other.package == name
                };
                let known =
                    |entry: &Paragraph| entry.get("Package") == Some(name) && self.in_pool(entry);
                products.iter().any(built) || self.known(product.suite).iter().any(known)
            };
            for name in relations(product.control.get("Depends"))
                .into_iter()
                .filter_map(|relation| relation.split_whitespace().next())
                .filter(|name| own.contains_key(*name) && !held(name))
            {
                let (packages, suites) = lacking.entry(name).or_default();
                packages.insert(&product.package);
                suites.insert(product.suite.name);
            }
        }
        let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        lacking
            .into_iter()
            .map(|(name, (packages, suites))| {
                format!(
                    "{name}, which {} depends on, is not in this repository for {}; build it as \
                     well: hapkg build {}",
                    list(packages),
                    list(suites),
                    own[name]
                )
            })
            .collect()
    }

    /// A warning for each package of which the repository, or the directory of
    /// `sources`, has other contents under the very same version: apt takes a
    /// version for the same thing everywhere, so hosts that have it keep the
    /// old contents for ever.
    ///
    /// # Errors
    /// The repository is signed, thus meant for others, and is to be `signed`
    /// again: a version cannot be published twice.
    pub fn altered(
        &self,
        products: &[Product],
        sources: &Path,
        signed: bool,
    ) -> Result<Vec<String>, Failure> {
        let mut altered: BTreeMap<&Path, (&str, BTreeSet<&str>)> = BTreeMap::new();
        let mut published = false;
        for product in products {
            let other = |entry: &Paragraph| {
                let same = ["Package", "Version", "Architecture"];
                same.iter()
                    .all(|field| entry.get(field) == product.control.get(field))
                    && entry.get("SHA256") != Some(&product.checksums.sha256)
                    && self.in_pool(entry)
            };
            let packed = self.known(product.suite).iter().any(other);
            if packed || super::upload::differs(sources, product) {
                let (_, versions) = altered
                    .entry(&product.recipe)
                    .or_insert((&product.package, BTreeSet::new()));
                versions.insert(&product.version);
            }
            let dists = self.dir.join("dists").join(product.suite.name);
            published |= packed && dists.join("InRelease").exists();
        }
        let told = altered.into_iter().map(|(recipe, (package, versions))| {
            format!(
                "{package} {} was built before with other contents, and hosts that have this \
                 version will not upgrade to it: raise `version` in {} and add its [[changelog]] \
                 entry",
                Vec::from_iter(versions).join(", "),
                recipe.display()
            )
        });
        let told: Vec<String> = told.collect();
        if signed && published {
            return Err(Failure::no(format!(
                "{}\n{} is signed, so these versions count as published; to begin it anew, build \
                 elsewhere with --out",
                told.join("\n"),
                self.dir.display()
            )));
        }
        Ok(told)
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
        let mut pool = Batch::default();
        for product in products {
            let path = pool_path(product);
            pool.add(self.dir.join(&path), &product.deb);
            built
                .files
                .push(product.built(format!("apt/{path}"), &product.checksums.sha256));
        }
        let issues = by_suite
            .values()
            .map(|(suite, products)| self.issue(suite, products, key))
            .collect::<Result<Vec<Issue>, Failure>>()?;
        let (mut indexes, mut seals) = (Batch::default(), Batch::default());
        for issue in &issues {
            for (path, data) in &issue.files {
                let stage = if path.contains("/by-hash/") {
                    &mut pool
                } else {
                    &mut indexes
                };
                stage.add(issue.dists.join(path), data);
            }
            for (name, data) in &issue.seals {
                seals.add(issue.dists.join(name), data);
            }
        }
        pool.write()?;
        indexes.write()?;
        for issue in issues.iter().filter(|issue| issue.seals.len() == 1) {
            unsign(&issue.dists)?;
        }
        seals.write()?;
        for issue in &issues {
            issue.forget_old_copies()?;
        }
        Ok(())
    }

    fn issue(
        &self,
        suite: &'static Suite,
        products: &[&Product],
        key: Option<&Key>,
    ) -> Result<Issue, Failure> {
        let dists = self.dir.join("dists").join(suite.name);
        let failed = |e: debcrate::Error| Failure::no(format!("the index of {}: {e}", suite.name));
        let release = self.release(suite, products, &dists);
        let packages = self.packages(suite, products).map_err(failed)?;
        let mut files = suite_files(&release, &packages).map_err(failed)?;
        let release = files.remove("Release").unwrap_or_default();
        let mut seals = BTreeMap::new();
        if let Some(key) = key {
            seals.insert("InRelease", key.clearsign(&release)?);
            seals.insert("Release.gpg", key.detached(&release)?);
        }
        seals.insert("Release", release);
        Ok(Issue {
            kept: hashes_of_release(&dists),
            dists,
            files,
            seals,
        })
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
            let mut entry =
                packages_paragraph(&product.control, &pool_path(product), &product.checksums)?;
            if let Some(task) = &product.task {
                entry.set("Task", task)?;
            }
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
    /// same recipes give the same repository on any day; but never before the
    /// Release that is there, for apt silently keeps the newer of two.
    fn release(&self, suite: &Suite, products: &[&Product], dists: &Path) -> Release {
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
                .chain(date_of_release(dists))
                .max()
                .unwrap_or_default(),
            architectures: ARCHITECTURES.map(String::from).to_vec(),
            components: vec!["main".into()],
            description: format!("High-availability roles for {family} {}", suite.release),
        }
    }
}

/// An unsigned Release takes the old signatures away, which would vouch for
/// another one.
fn unsign(dists: &Path) -> Result<(), Failure> {
    for name in ["InRelease", "Release.gpg"] {
        let path = dists.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::environment(format!(
                    "removing {}: {e}",
                    path.display()
                )));
            }
            _ => {}
        }
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

/// The date of the present Release, in seconds since 1970.
fn date_of_release(dists: &Path) -> Option<u64> {
    let text = fs::read_to_string(dists.join("Release")).ok()?;
    let date = text.lines().find_map(|line| line.strip_prefix("Date:"))?;
    u64::try_from(date::parse_release(date)?.seconds).ok()
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

/// What one suite's directory is to hold.
struct Issue {
    dists: PathBuf,
    /// Hashes that the Release before lists.
    kept: BTreeSet<String>,
    /// Indexes and their by-hash copies.
    files: BTreeMap<String, Vec<u8>>,
    /// Release, alone or with its signatures.
    seals: BTreeMap<&'static str, Vec<u8>>,
}

impl Issue {
    fn forget_old_copies(&self) -> Result<(), Failure> {
        for architecture in ARCHITECTURES {
            let dir = format!("main/binary-{architecture}/by-hash/SHA256");
            let Ok(entries) = fs::read_dir(self.dists.join(&dir)) else {
                continue;
            };
            for entry in entries.flatten() {
                let hash = entry.file_name().to_string_lossy().into_owned();
                if !self.kept.contains(&hash) && !self.files.contains_key(&format!("{dir}/{hash}"))
                {
                    let path = entry.path();
                    fs::remove_file(&path).map_err(|e| {
                        Failure::environment(format!("removing {}: {e}", path.display()))
                    })?;
                }
            }
        }
        Ok(())
    }
}
