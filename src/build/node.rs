//! The node package: its program is compiled in a chroot of the suite, and its
//! source package carries every crate, so both are kept by the hash of all
//! that goes into them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use debcrate::{Paragraph, SourceFiles, Tree};

use super::gather::Loaded;
use super::node_build::Toolchain;
use super::product::{Parts, Source, Workshop, control, dependency_changes, pack, source};
use super::{node_build, node_source, store};
use crate::failure::Failure;
use crate::recipe::suite::Suite;

/// hapkg's own source, from which the node program is built: one for all
/// suites, which are made at once.
#[derive(Debug, Default)]
pub struct Program {
    root: Option<PathBuf>,
    key: OnceLock<Result<String, node_source::Error>>,
    tree: OnceLock<Result<Tree, node_source::Error>>,
}

impl Program {
    pub fn new(root: Option<PathBuf>) -> Self {
        Self {
            root,
            ..Self::default()
        }
    }
}

impl Workshop {
    /// The node package of a suite, compiled when no kept one fits.
    ///
    /// # Errors
    /// hapkg's own source is not at hand, or does not build.
    pub fn make_node(
        &self,
        suite: &'static Suite,
        one: &Loaded,
        known: &[Paragraph],
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Parts, Failure> {
        let program = &self.program;
        let Some(root) = program.root.as_deref() else {
            return Err(Failure::usage(format!(
                "{} is built from hapkg's own source; build it in a checkout of hapkg",
                one.path.display()
            )));
        };
        let job = Job {
            workshop: self,
            suite,
            one,
            root,
            key: once(&program.key, || node_source::source_key(root))?,
            identity: identity(self, one)?,
            toolchain: node_build::toolchain(suite, &|text| said(say, suite, text))?,
            say,
        };
        let plain = job.deb(&[])?;
        let changes = dependency_changes(known, &control(&plain)?);
        let deb = if changes.is_empty() {
            plain
        } else {
            job.deb(&changes)?
        };
        let source = if self.source {
            Some(job.source(&changes)?)
        } else {
            None
        };
        Ok(Parts {
            deb,
            task: None,
            source,
        })
    }
}

struct Job<'a> {
    workshop: &'a Workshop,
    suite: &'static Suite,
    one: &'a Loaded,
    root: &'a Path,
    key: &'a str,
    identity: Vec<u8>,
    toolchain: Toolchain,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Job<'_> {
    fn deb(&self, changes: &[String]) -> Result<Vec<u8>, Failure> {
        let toolchain = &self.toolchain;
        self.kept("deb", &toolchain.identity, changes, || {
            let tree = self.tree()?;
            let (workshop, suite, one) = (self.workshop, self.suite, self.one);
            let plain = workshop.render(suite, one, Some(tree), None, changes)?;
            let build = node_build::node_build(
                suite,
                &plain.source_tree,
                self.key,
                toolchain,
                &workshop.cache,
                &|text| said(self.say, suite, text),
            )?;
            pack(
                suite,
                &workshop.render(suite, one, Some(tree), Some(&build), changes)?,
            )
        })
    }

    fn source(&self, changes: &[String]) -> Result<Source, Failure> {
        let packed = self.kept("source", "", changes, || {
            (self.say)(&format!(
                "{}: packing the node program's source",
                self.suite.name
            ));
            let rendered =
                self.workshop
                    .render(self.suite, self.one, Some(self.tree()?), None, changes)?;
            let Source { files, changelog } = source(&rendered)?;
            Ok(join(&[
                files.dsc.0.as_bytes(),
                &files.dsc.1,
                files.tar.0.as_bytes(),
                &files.tar.1,
                changelog.as_bytes(),
            ]))
        })?;
        let damaged = || {
            Failure::environment(format!(
                "a cached source package is damaged; remove {}",
                self.workshop.cache.join("node-package").display()
            ))
        };
        let [dsc_name, dsc, tar_name, tar, changelog] = split(&packed).ok_or_else(damaged)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| damaged());
        Ok(Source {
            files: SourceFiles {
                dsc: (text(dsc_name)?, dsc.to_vec()),
                tar: (text(tar_name)?, tar.to_vec()),
            },
            changelog: text(changelog)?,
        })
    }

    fn kept(
        &self,
        what: &str,
        toolchain: &str,
        changes: &[String],
        make: impl FnOnce() -> Result<Vec<u8>, Failure>,
    ) -> Result<Vec<u8>, Failure> {
        let told = changes.join("\n");
        let parts: [&[u8]; 6] = [
            what.as_bytes(),
            self.suite.name.as_bytes(),
            self.key.as_bytes(),
            &self.identity,
            toolchain.as_bytes(),
            told.as_bytes(),
        ];
        store::kept(&self.workshop.cache, "node-package", &parts, make)
    }

    fn tree(&self) -> Result<&Tree, Failure> {
        once(&self.workshop.program.tree, || {
            (self.say)("gathering the crates of the node program");
            node_source::source_tree(self.root, &self.workshop.cache)
        })
    }
}

fn said(say: &(dyn Fn(&str) + Sync), suite: &Suite, text: &str) {
    say(&format!("{}: {text}", suite.name));
}

/// What `make` gave the first time; whoever comes meanwhile waits for it.
fn once<T>(
    cell: &OnceLock<Result<T, node_source::Error>>,
    make: impl FnOnce() -> Result<T, node_source::Error>,
) -> Result<&T, Failure> {
    cell.get_or_init(make)
        .as_ref()
        .map_err(|error| error.clone().into())
}

/// What a kept package depends on beside the program's source: the recipe, the
/// translations, and which build of hapkg renders them.
fn identity(workshop: &Workshop, one: &Loaded) -> Result<Vec<u8>, Failure> {
    let path = std::env::current_exe();
    let program = path
        .and_then(std::fs::metadata)
        .map_err(|e| Failure::environment(format!("finding hapkg's own program file: {e}")))?;
    let recipe = serde_json::to_vec(&one.recipe)
        .map_err(|e| Failure::no(format!("{}: {e}", one.path.display())))?;
    let times = format!(
        "{} {} {}",
        program.len(),
        program.mtime(),
        program.mtime_nsec()
    );
    let catalogs = format!("{:?}", workshop.catalogs);
    Ok(join(&[&recipe, times.as_bytes(), catalogs.as_bytes()]))
}

/// Parts with their lengths before them.
fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend((part.len() as u64).to_le_bytes());
        joined.extend(*part);
    }
    joined
}

/// What [`join`] joined, if it is whole.
fn split<const N: usize>(mut joined: &[u8]) -> Option<[&[u8]; N]> {
    let mut parts = [&[][..]; N];
    for part in &mut parts {
        let (length, rest) = joined.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        (*part, joined) = rest.split_at_checked(length)?;
    }
    joined.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::{join, split};

    #[test]
    fn parts_come_back_and_damage_is_seen() {
        let joined = join(&[b"a", b"", b"ccc"]);
        assert_eq!(split::<3>(&joined), Some([&b"a"[..], b"", b"ccc"]));
        assert_eq!(split::<2>(&joined), None);
        assert_eq!(split::<3>(&joined[..joined.len() - 1]), None);
        assert_eq!(split::<3>(b"short"), None);
    }
}
