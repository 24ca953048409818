//! A directory's content moves onto the filesystem that follows the service:
//! copied, compared, and only then replaced by a link. The original is kept
//! aside.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::super::host::Host;
use super::super::layout::entries;
use super::super::problem::Failure;
use super::device::mounts;
use super::item::{Filesystem, key_of_drbd};
use super::peers::is_in_cib;
use super::record::{Record, Stage};
use super::steps::Steps;
use super::tree::{self, Tree};
use crate::atomic;
use crate::cluster::FilesystemOn;

/// Long enough for some TiB.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Beside the copy while it is incomplete.
const COPYING: &str = ".ubuntu-ha-copying";
/// Beside the directory while it is exchanged for the link.
pub const EXCHANGE: &str = ".ubuntu-ha-exchange";

/// What a node has in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// The directory is the link already; the word of what was moved, where
    /// this program has noted it.
    Moved(Option<String>),
    Absent,
    /// Directories alone.
    Empty,
    Data {
        fingerprint: String,
        files: usize,
        bytes: u64,
    },
}

impl Holding {
    /// One word, for the others.
    pub fn word(&self) -> String {
        match self {
            Self::Moved(None) => "moved".into(),
            Self::Moved(Some(word)) => format!("moved:{word}"),
            Self::Absent => "absent".into(),
            Self::Empty => "empty".into(),
            Self::Data {
                fingerprint,
                files,
                bytes,
            } => format!("{fingerprint}:{files}:{bytes}"),
        }
    }

    fn of(tree: &Tree) -> Self {
        if tree.is_empty() {
            return Self::Empty;
        }
        Self::Data {
            fingerprint: tree.fingerprint(),
            files: tree.count(),
            bytes: tree.bytes(),
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "moved" => Self::Moved(None),
            "absent" => Self::Absent,
            "empty" => Self::Empty,
            data => {
                if let Some(word) = data.strip_prefix("moved:") {
                    return Some(Self::Moved(Some(word.to_owned())));
                }
                let mut parts = data.split(':');
                Self::Data {
                    fingerprint: parts.next()?.to_owned(),
                    files: parts.next()?.parse().ok()?,
                    bytes: parts.next()?.parse().ok()?,
                }
            }
        })
    }
}

/// Who copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// No node has the directory.
    Nothing,
    /// The node of this name has the data, or as much as the others.
    CopyFrom(String),
    /// They are on the filesystem already, and no node has any other.
    Moved,
    /// Why nobody can tell, and what to do.
    Conflict(String),
}

/// A decision, and the word of the data that it is about: what a node has else
/// must never be replaced by the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub decision: Decision,
    pub word: String,
}

impl Agreed {
    fn new(decision: Decision, holdings: &[(String, Holding)]) -> Self {
        let word = match &decision {
            Decision::CopyFrom(source) => holdings
                .iter()
                .find(|(name, _)| name == source)
                .map(|(_, holding)| holding.word()),
            Decision::Moved => holdings.iter().find_map(|(_, holding)| match holding {
                Holding::Moved(word) => word.clone(),
                _ => None,
            }),
            Decision::Nothing => Some(Holding::Absent.word()),
            Decision::Conflict(_) => None,
        };
        Self {
            decision,
            word: word.unwrap_or_default(),
        }
    }
}

/// Decides from what each node has; the first of equals copies.
pub fn decide(directory: &str, holdings: &[(String, Holding)]) -> Decision {
    if let Some((linked, _)) = holdings
        .iter()
        .find(|(_, holding)| matches!(holding, Holding::Moved(_)))
    {
        return match other_than_moved(holdings) {
            None => Decision::Moved,
            Some(node) => Decision::Conflict(format!(
                "{directory} is a link on {linked} already, but what {node} has in it is not what \
                 was moved. Decide which data the cluster shall have: for those of {node} run on \
                 {linked}: rm {directory}; for those that were moved run on {node}: mv {directory} \
                 {directory}.other"
            )),
        };
    }
    let full: Vec<(&String, &Holding)> = holdings
        .iter()
        .filter(|(_, holding)| matches!(holding, Holding::Data { .. }))
        .map(|(name, holding)| (name, holding))
        .collect();
    let Some((first, data)) = full.first() else {
        let empty = holdings
            .iter()
            .find(|(_, holding)| *holding == Holding::Empty);
        return match empty {
            Some((name, _)) => Decision::CopyFrom(name.clone()),
            None => Decision::Nothing,
        };
    };
    if full.iter().all(|(_, other)| other == data) {
        return Decision::CopyFrom((*first).clone());
    }
    let each = full.iter().filter_map(|(name, holding)| match holding {
        Holding::Data { files, bytes, .. } => {
            Some(format!("{name} has {files} files with {bytes} bytes"))
        }
        _ => None,
    });
    Decision::Conflict(format!(
        "{directory} differs between the nodes: {}. Decide whose data the cluster shall have; on \
         each other node run: mv {directory} {directory}.other",
        each.collect::<Vec<_>>().join(", ")
    ))
}

/// A node whose data were changed since others were moved, or were never moved.
fn other_than_moved(holdings: &[(String, Holding)]) -> Option<&String> {
    let moved = |word: &str| {
        let mut all = holdings.iter();
        all.any(|(_, holding)| *holding == Holding::Moved(Some(word.to_owned())))
    };
    let mut full = holdings.iter().filter_map(|(name, holding)| match holding {
        Holding::Data { .. } if !moved(&holding.word()) => Some(name),
        _ => None,
    });
    full.next()
}

/// What was found in directories, so that large ones are read once in a run.
#[derive(Debug, Default)]
pub struct Looks {
    seen: RefCell<BTreeMap<String, Look>>,
}

#[derive(Debug, Clone)]
struct Look {
    stamp: String,
    holding: Holding,
    owners: BTreeSet<(u32, u32)>,
}

impl Looks {
    /// What this node has in `directory`, and who owns it; `alive` is called
    /// while it is read.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(
        &self,
        host: &Host,
        filesystem: &Filesystem<'_>,
        directory: &str,
        alive: &mut dyn FnMut(),
    ) -> Result<(Holding, BTreeSet<(u32, u32)>), Failure> {
        settle(host, filesystem, directory)?;
        let place = host.layout.path(directory);
        match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (owner, _) = owner_of_parent(&place)?;
                return Ok((Holding::Absent, [owner].into()));
            }
            Err(error) => return Err(broken("reading", &place, &error)),
            Ok(meta) if meta.is_symlink() => {
                let word = noted(host, filesystem, directory)?;
                return Ok((Holding::Moved(word), BTreeSet::new()));
            }
            Ok(_) => {}
        }
        let stamp =
            tree::stamp(&place).map_err(|(path, error)| broken("reading", &path, &error))?;
        if let Some(known) = self.seen.borrow().get(directory) {
            if Some(&known.stamp) == stamp.as_ref() {
                return Ok((known.holding.clone(), known.owners.clone()));
            }
        }
        let tree = Tree::read_telling(&place, alive)
            .map_err(|(path, error)| broken("reading", &path, &error))?;
        let (holding, owners) = (Holding::of(&tree), tree.owners());
        if let Some(stamp) = stamp {
            let look = Look {
                stamp,
                holding: holding.clone(),
                owners: owners.clone(),
            };
            self.seen.borrow_mut().insert(directory.to_owned(), look);
        }
        Ok((holding, owners))
    }
}

/// The word that was agreed on for `directory` when it was last moved, or was
/// about to be; `None` where that is not known.
///
/// # Errors
/// The record cannot be read.
pub fn noted(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
) -> Result<Option<String>, Failure> {
    let record = Record::load(host, &key(filesystem, directory))?;
    Ok(record.map(|r| r.uuid).filter(|word| !word.is_empty()))
}

/// Copies `directory` onto the filesystem, which is mounted, compares, and
/// gives the copy its place. Runs again after any interruption. Returns the
/// word of what was copied.
///
/// `earlier`: the word of a copy of an earlier run, which nobody has used if it
/// still is what it was: then it makes room for a new one.
///
/// # Errors
/// The original stays as it is.
pub fn copy_in(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
    earlier: Option<&str>,
    journal: &mut dyn Steps,
) -> Result<String, Failure> {
    let step = format!("storage: {}: copy {directory}", filesystem.key());
    let source = host.layout.path(directory);
    if let Some(user) = user_of(host, &source)? {
        return Err(in_use(directory, &user));
    }
    let target = host.layout.path(&target_of(filesystem, directory));
    let staged = beside(&target, COPYING);
    if target.exists() {
        let (original, present) = (read(&source)?, read(&target)?);
        match original.difference(&present) {
            None => {
                journal.done(&step)?;
                return Ok(Holding::of(&original).word());
            }
            Some(_) if earlier == Some(&Holding::of(&present).word()) => {
                let (name, aside) = free_name(host, &target_of(filesystem, directory));
                fs::rename(&target, &aside).map_err(|error| broken("renaming", &target, &error))?;
                sync_parent(&aside)?;
                journal.point(&format!("{step}: earlier one aside"));
                eprintln!(
                    "ubuntu-ha: {directory} is copied anew; the copy that was made before is kept \
                     in {name}"
                );
            }
            Some(difference) => {
                return Err(Failure::failed(
                    format!(
                        "{} is there already, but is no copy of {directory}: {difference}",
                        target.display()
                    ),
                    format!(
                        "decide which one is right; to copy again, mount the filesystem and move {} \
                     away",
                        target.display()
                    ),
                ));
            }
        }
    }
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(|error| broken("removing", &staged, &error))?;
    }
    if let Some(parent) = target.parent() {
        atomic::create_dir_all(parent, 0o755)?;
    }
    let (from, to) = (source.display().to_string(), staged.display().to_string());
    let args = [
        "--recursive",
        "--no-dereference",
        "--preserve=mode,ownership,timestamps,links,xattr",
        "--sparse=auto",
        "--no-target-directory",
        &from,
        &to,
    ];
    host.must("cp", &args, LIMIT)?;
    journal.point(&format!("{step}: copied"));
    host.must("sync", &["--file-system", &to], LIMIT)?;
    // Read anew: what was written meanwhile is not in the copy.
    let original = read(&source)?;
    if let Some(difference) = original.difference(&read(&staged)?) {
        return Err(Failure::failed(
            format!("the copy of {directory} is not like the original: {difference}"),
            format!("stop what writes to {directory}, then run the command again"),
        ));
    }
    journal.point(&format!("{step}: compared"));
    fs::rename(&staged, &target).map_err(|error| broken("renaming", &staged, &error))?;
    sync_parent(&target)?;
    journal.point(&step);
    journal.done(&step)?;
    Ok(Holding::of(&original).word())
}

/// Makes the empty directory that a link of a node without any shall lead to.
/// Who may write beside the directory may write into it, as if it were there.
///
/// # Errors
/// Something else is there.
pub fn make_empty(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let step = format!("storage: {}: make {directory}", filesystem.key());
    let target = host.layout.path(&target_of(filesystem, directory));
    let staged = beside(&target, COPYING);
    if !target.is_dir() {
        let ((user, group), mode) = owner_of_parent(&host.layout.path(directory))?;
        if let Some(parent) = target.parent() {
            atomic::create_dir_all(parent, 0o755)?;
        }
        let _ = fs::remove_dir_all(&staged);
        fs::create_dir(&staged)
            .and_then(|()| chown(&staged, Some(user), Some(group)))
            .and_then(|()| fs::set_permissions(&staged, Permissions::from_mode(mode)))
            .map_err(|error| broken("making", &staged, &error))?;
        journal.point(&format!("{step}: prepared"));
        fs::rename(&staged, &target).map_err(|error| broken("renaming", &staged, &error))?;
        sync_parent(&target)?;
    }
    journal.point(&step);
    journal.done(&step)
}

/// Finds the data of a link on the filesystem, which is mounted.
///
/// # Errors
/// They are not there.
pub fn must_be_there(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
) -> Result<(), Failure> {
    let target = target_of(filesystem, directory);
    if host.layout.path(&target).is_dir() {
        return Ok(());
    }
    Err(Failure::failed(
        format!(
            "{directory} is a link to {target} already, but the filesystem of {} has no such \
             directory: the link is of an earlier one",
            filesystem.mount
        ),
        format!(
            "on each node that has the link run: rm {directory}; to have the data of the earlier \
             filesystem, put them in {directory} of one node; then run ubuntu-ha apply on all \
             nodes again"
        ),
    ))
}

/// Owner and mode of the directory that `place` is in, or would be.
fn owner_of_parent(place: &Path) -> Result<((u32, u32), u32), Failure> {
    for above in place.ancestors().skip(1) {
        match fs::metadata(above) {
            Ok(meta) => {
                let mode = meta.mode() & 0o775 | 0o700;
                return Ok(((meta.uid(), meta.gid()), mode));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(broken("reading", above, &error)),
        }
    }
    Ok(((0, 0), 0o755))
}

/// Puts the link in the place of `directory`, in one step; what was there is
/// kept aside, and its new name returned.
///
/// # Errors
/// The directory is as it was.
pub fn link(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
    journal: &mut dyn Steps,
) -> Result<Option<String>, Failure> {
    let step = format!("storage: {}: link {directory}", filesystem.key());
    if let Some(aside) = settle(host, filesystem, directory)? {
        journal.done(&step)?;
        return Ok(Some(aside));
    }
    let place = host.layout.path(directory);
    let target = target_of(filesystem, directory);
    let there = fs::symlink_metadata(&place);
    if there.as_ref().is_ok_and(fs::Metadata::is_symlink) {
        journal.done(&step)?;
        return Ok(None);
    }
    if let Some(user) = user_of(host, &place)? {
        return Err(in_use(directory, &user));
    }
    if let Some(parent) = place.parent() {
        atomic::create_dir_all(parent, 0o755)?;
    }
    let exchange = beside(&place, EXCHANGE);
    let _ = fs::remove_file(&exchange);
    symlink(&target, &exchange).map_err(|error| broken("making", &exchange, &error))?;
    journal.point(&format!("{step}: prepared"));
    let mut aside = None;
    if there.is_ok() {
        swap(&exchange, &place)?;
        sync_parent(&place)?;
        journal.point(&format!("{step}: exchanged"));
        aside = settle(host, filesystem, directory)?;
    } else {
        fs::rename(&exchange, &place).map_err(|error| broken("renaming", &exchange, &error))?;
        sync_parent(&place)?;
    }
    journal.point(&step);
    journal.done(&step)?;
    Ok(aside)
}

/// Both names change places, so that there is no moment without the directory.
fn swap(exchange: &Path, place: &Path) -> Result<(), Failure> {
    let flags = RenameFlags::RENAME_EXCHANGE;
    renameat2(AT_FDCWD, exchange, AT_FDCWD, place, flags).map_err(|errno| {
        let remedy = format!(
            "run: mv {0} {0}.before-ubuntu-ha; then the command again",
            place.display()
        );
        Failure::failed(
            format!("exchanging {} for a link: {errno}", place.display()),
            remedy,
        )
    })
}

/// After an exchange that was interrupted: gives the original its last name.
fn settle(
    host: &Host,
    filesystem: &Filesystem<'_>,
    directory: &str,
) -> Result<Option<String>, Failure> {
    let place = host.layout.path(directory);
    let exchange = beside(&place, EXCHANGE);
    let linked = fs::read_link(&place)
        .is_ok_and(|target| target == Path::new(&target_of(filesystem, directory)));
    let original = fs::symlink_metadata(&exchange).is_ok_and(|meta| !meta.is_symlink());
    if !linked || !original {
        return Ok(None);
    }
    let (name, aside) = free_name(host, directory);
    fs::rename(&exchange, &aside).map_err(|error| broken("renaming", &exchange, &error))?;
    sync_parent(&aside)?;
    Ok(Some(name))
}

/// A name that nothing has yet, for what is kept aside, and its path.
fn free_name(host: &Host, directory: &str) -> (String, PathBuf) {
    let name = format!("{directory}.before-ubuntu-ha-{}", date(SystemTime::now()));
    let mut serial = 1;
    let mut free = name.clone();
    loop {
        let aside = host.layout.path(&free);
        if fs::symlink_metadata(&aside).is_err() {
            return (free, aside);
        }
        serial += 1;
        free = format!("{name}-{serial}");
    }
}

/// What stands in the way of moving the directories of a filesystem, seen
/// before anything is changed.
///
/// # Errors
/// `/proc` cannot be read.
pub fn objections(host: &Host, filesystem: &Filesystem<'_>) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for directory in filesystem.migrate {
        let place = host.layout.path(directory);
        let below = |path: &str| Path::new(path).starts_with(directory);
        if !matches!(filesystem.on, FilesystemOn::Drbd(_)) {
            found.push(format!(
                "{directory} can only be moved onto a filesystem on DRBD; move it by hand"
            ));
            continue;
        }
        if below(filesystem.mount) || Path::new(directory).starts_with(filesystem.mount) {
            found.push(format!(
                "{directory} and the mount point {} lie in each other; answer another one",
                filesystem.mount
            ));
            continue;
        }
        if let Some((outer, link)) = moved_above(host, directory) {
            found.push(format!(
                "{directory} lies in {outer}, which is a link to {link} already; move it by hand \
                 where that is mounted, and put a link to {} in its place",
                target_of(filesystem, directory)
            ));
            continue;
        }
        let Ok(meta) = fs::symlink_metadata(&place) else {
            continue;
        };
        if meta.is_symlink() {
            let target = fs::read_link(&place).unwrap_or_default();
            if target != Path::new(&target_of(filesystem, directory)) {
                found.push(format!(
                    "{directory} is a link to {}; put the directory itself there, or remove the \
                     link",
                    target.display()
                ));
            }
        } else if !meta.is_dir() {
            found.push(format!("{directory} is no directory; move it away"));
        } else if is_served(host, filesystem)? {
            found.push(format!(
                "{directory} has to be a link to {}, but is a directory of this node, so that \
                 what is in it does not follow the service; stop what uses it; bring what the \
                 cluster lacks to {0} of the node that has {} mounted; then run: mv {directory} \
                 {directory}.other; ln -s {0} {directory}",
                target_of(filesystem, directory),
                filesystem.mount
            ));
        } else if let Some(mount) = mounts(host)?.iter().find(|mount| below(&mount.target)) {
            found.push(format!(
                "{} is mounted on {}, so that {directory} cannot be moved; unmount it and take \
                 it out of /etc/fstab",
                mount.source, mount.target
            ));
        } else if let Some(user) = user_of(host, &place)? {
            found.push(format!(
                "{directory} is in use by {user}; stop that, and keep it from starting at boot: \
                 the cluster starts it"
            ));
        }
    }
    Ok(found)
}

/// Whether this node was made ready once, and the cluster serves the device.
fn is_served(host: &Host, filesystem: &Filesystem<'_>) -> Result<bool, Failure> {
    let FilesystemOn::Drbd(resource) = filesystem.on else {
        return Ok(false);
    };
    let record = Record::load(host, &key_of_drbd(resource))?;
    let ready = record.is_some_and(|record| record.stage == Stage::Ready);
    Ok(ready && host.program("cibadmin").is_some() && is_in_cib(host, "drbd_resource", resource)?)
}

/// A directory that has to be a link to another one, and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    pub directory: String,
    pub target: String,
    /// Something else is in its place.
    pub taken: bool,
}

/// Directories of the filesystem that are no links.
pub fn unlinked(host: &Host, filesystem: &Filesystem<'_>) -> Vec<Unlinked> {
    let mut found = Vec::new();
    for directory in filesystem.migrate {
        let there = fs::symlink_metadata(host.layout.path(directory));
        if !there.as_ref().is_ok_and(fs::Metadata::is_symlink) {
            found.push(Unlinked {
                directory: directory.clone(),
                target: target_of(filesystem, directory),
                taken: there.is_ok(),
            });
        }
    }
    found
}

/// Where the data come to lie.
pub fn target_of(filesystem: &Filesystem<'_>, directory: &str) -> String {
    format!("{}{directory}", filesystem.mount.trim_end_matches('/'))
}

/// Name of the record of a copy.
pub fn key(filesystem: &Filesystem<'_>, directory: &str) -> String {
    format!("{}{}", filesystem.key(), directory.replace('/', "-"))
}

/// A directory above that this program has replaced by a link, and its target.
fn moved_above(host: &Host, directory: &str) -> Option<(String, String)> {
    let above = Path::new(directory).ancestors().skip(1);
    above.into_iter().find_map(|outer| {
        let link = fs::read_link(host.layout.path(outer.to_str()?)).ok()?;
        let relative = outer.strip_prefix("/").ok()?;
        link.ends_with(relative)
            .then(|| (outer.display().to_string(), link.display().to_string()))
    })
}

/// A process that has a file below the directory open, or works there.
fn user_of(host: &Host, directory: &Path) -> Result<Option<String>, Failure> {
    let Ok(directory) = fs::canonicalize(directory) else {
        return Ok(None);
    };
    let proc = host.layout.path("/proc");
    for pid in entries(&proc)? {
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let process = proc.join(&pid);
        let mut links = vec![
            process.join("cwd"),
            process.join("root"),
            process.join("exe"),
        ];
        // A process may end while it is looked at.
        if let Ok(open) = fs::read_dir(process.join("fd")) {
            links.extend(open.flatten().map(|entry| entry.path()));
        }
        let inside =
            |link: &PathBuf| fs::read_link(link).is_ok_and(|target| target.starts_with(&directory));
        if links.iter().any(inside) {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            return Ok(Some(format!("{} (process {pid})", name.trim())));
        }
    }
    Ok(None)
}

/// The directories of several filesystems, in order.
pub fn directories<'a, 'b>(
    filesystems: &'a [Filesystem<'b>],
) -> impl Iterator<Item = (&'a Filesystem<'b>, &'b str)> {
    filesystems.iter().flat_map(|fs| {
        fs.migrate
            .iter()
            .map(move |directory| (fs, directory.as_str()))
    })
}

/// Decides for each directory from what the nodes have said, in the order of
/// their ids.
///
/// # Errors
/// A conflict: all of them at once.
pub fn decisions(
    filesystems: &[Filesystem<'_>],
    names: &[&str],
    said: &BTreeMap<String, String>,
) -> Result<Vec<Agreed>, Failure> {
    let mut decisions = Vec::new();
    let mut conflicts = Vec::new();
    for (index, (_, directory)) in directories(filesystems).enumerate() {
        let mut holdings = Vec::new();
        for name in names {
            let words = said.get(*name).map(String::as_str);
            let word = words.and_then(|words| words.split(',').nth(index));
            match word.and_then(Holding::parse) {
                Some(holding) => holdings.push(((*name).to_owned(), holding)),
                None => conflicts.push(format!(
                    "{name} does not say what it has in {directory}; install the same version of \
                     ubuntu-ha-node and of the roles on all nodes"
                )),
            }
        }
        let decision = decide(directory, &holdings);
        if let Decision::Conflict(message) = &decision {
            conflicts.push(message.clone());
        }
        decisions.push(Agreed::new(decision, &holdings));
    }
    if conflicts.is_empty() {
        return Ok(decisions);
    }
    Err(Failure::failed(
        conflicts.join("; "),
        "then run ubuntu-ha apply on all nodes again".into(),
    ))
}

fn read(path: &Path) -> Result<Tree, Failure> {
    Tree::read(path).map_err(|(path, error)| broken("reading", &path, &error))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

fn sync_parent(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    let done = fs::File::open(parent).and_then(|dir| dir.sync_all());
    done.map_err(|error| broken("writing", parent, &error))
}

fn broken(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::environment(
        format!("{what} {}: {error}", path.display()),
        "put that right, then run the command again".into(),
    )
}

fn in_use(directory: &str, user: &str) -> Failure {
    Failure::failed(
        format!("{directory} is in use by {user}"),
        "stop that, and keep it from starting at boot; then run the command again".into(),
    )
}

/// `20261101`, in UTC.
fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut days = seconds / 86_400;
    let mut year = 1970;
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year:04}{month:02}{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_of_the_calendar() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101");
        assert_eq!(at(951_782_400), "20000229");
        assert_eq!(at(1_798_761_599), "20261231");
        assert_eq!(at(1_798_761_600), "20270101");
    }

    fn data(fingerprint: &str) -> Holding {
        Holding::Data {
            fingerprint: fingerprint.into(),
            files: 2,
            bytes: 10,
        }
    }

    #[test]
    fn whose_data_are_taken() {
        use Holding::{Absent, Empty, Moved};
        let moved = |of: &str| Moved(Some(data(of).word()));
        let from = |name: &str| Decision::CopyFrom(name.into());
        let cases = [
            (Absent, Absent, Decision::Nothing),
            (Absent, Empty, from("beta")),
            (Empty, Empty, from("alpha")),
            (data("a"), Absent, from("alpha")),
            (data("a"), data("a"), from("alpha")),
            (Empty, data("b"), from("beta")),
            (moved("b"), data("b"), Decision::Moved),
            (data("a"), moved("a"), Decision::Moved),
            (moved("a"), Moved(None), Decision::Moved),
            (Moved(None), Empty, Decision::Moved),
            (Absent, moved("a"), Decision::Moved),
        ];
        for (alpha, beta, wanted) in cases {
            let holdings = [("alpha".to_owned(), alpha), ("beta".to_owned(), beta)];
            assert_eq!(decide("/d", &holdings), wanted, "{holdings:?}");
        }
        let holdings = [
            ("alpha".to_owned(), data("a")),
            ("beta".to_owned(), data("b")),
        ];
        let Decision::Conflict(message) = decide("/d", &holdings) else {
            panic!("no conflict");
        };
        assert!(message.contains("alpha has 2 files"), "{message}");
        assert!(message.contains("mv /d /d.other"), "{message}");
    }

    #[test]
    fn a_link_never_overrules_data_that_were_not_moved() {
        for moved in [Some(data("a").word()), Some(Holding::Empty.word()), None] {
            let holdings = [
                ("alpha".to_owned(), data("newer")),
                ("beta".to_owned(), Holding::Moved(moved)),
            ];
            let Decision::Conflict(message) = decide("/d", &holdings) else {
                panic!("no conflict: {holdings:?}");
            };
            assert!(
                message.contains("those of alpha run on beta: rm /d"),
                "{message}"
            );
            assert!(
                message.contains("run on alpha: mv /d /d.other"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_word_that_is_not_understood_is_no_empty_directory() {
        let on = FilesystemOn::Drbd("data".into());
        let migrate = ["/d".to_owned()];
        let filesystem = Filesystem {
            role: "clc",
            id: "data",
            on: &on,
            kind: "ext4",
            mount: "/mnt",
            lock_table: None,
            journals: 0,
            migrate: &migrate,
        };
        for word in ["who-knows", ""] {
            let said = [("alpha", "absent"), ("beta", word)];
            let said = said.map(|(name, word)| (name.to_owned(), word.to_owned()));
            let told = decisions(&[filesystem], &["alpha", "beta"], &said.into()).unwrap_err();
            assert!(told.message().contains("beta does not say"), "{told:?}");
        }
    }

    #[test]
    fn holdings_survive_the_wire() {
        let moved = Holding::Moved(Some(data("ab").word()));
        for holding in [
            Holding::Moved(None),
            moved,
            Holding::Absent,
            Holding::Empty,
            data("ab"),
        ] {
            assert_eq!(Holding::parse(&holding.word()), Some(holding));
        }
        assert_eq!(Holding::parse("garbage"), None);
    }
}
