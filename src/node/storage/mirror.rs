//! A DRBD resource from two blank disks to two equal sides with a filesystem.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::problem::Failure;
use super::Work;
use super::check::{self, Standing};
use super::content::Content;
use super::device::{Device, mounts};
use super::drbd::{self, LIMIT, Next};
use super::filesystem::{self, find};
use super::item::{Drbd, Filesystem};
use super::migrate::{self, Decision, directories};
use super::peers::{Channel, Waited, is_in_cib, wait_for};
use super::record::{Record, Stage};
use super::steps::Steps;
use super::udev;
use crate::atomic;

/// How long the other side may take to turn up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a node says of itself.
const TAKES_PART: &str = "up";
/// The first one: both sides are equal, the filesystems are there.
const MADE: &str = "made";
/// The other one: it has nothing more to do.
const DONE: &str = "done";
/// The first one, once the other is done: the resource is not needed any more.
const FINISHED: &str = "finished";

/// It has given up; the other need not wait.
const FAILED: &str = "failed";

/// Everything there is to know while one resource is prepared.
struct Mirror<'a> {
    work: &'a Work<'a>,
    drbd: &'a Drbd<'a>,
    filesystems: &'a [Filesystem<'a>],
    device: Device,
    stage: Channel<'a>,
    data: Channel<'a>,
    /// Names of both sides; the first one makes things.
    sides: Vec<&'a str>,
    /// Names this run: what was said to an earlier one does not count.
    run: String,
}

/// Prepares this node's side, together with the other node.
///
/// # Errors
/// A step did not succeed. The resource is left as unused as it can be.
pub fn prepare(
    work: &Work<'_>,
    drbd: &Drbd<'_>,
    filesystems: &[Filesystem<'_>],
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let host = work.host;
    udev::refresh(host, journal)?;
    let device = find(host, drbd.device)?;
    let serving = is_in_cib(host, "drbd_resource", drbd.resource)?;
    let standing = check::of_drbd(host, drbd, &device)?;
    let standing = standing
        .map_err(|message| Failure::failed(message, "then run the command again".into()))?;
    let ready = Record::load(host, &drbd.key())?.is_some_and(|r| r.stage == Stage::Ready);
    if serving && ready && standing == Standing::Ours {
        return Ok(());
    }
    let sides = work.desired.members.iter().take(2);
    let mirror = Mirror {
        work,
        drbd,
        filesystems,
        stage: Channel::new(host, &drbd.key()),
        data: Channel::new(host, &format!("{}-data", drbd.key())),
        sides: sides.map(|member| member.name.as_str()).collect(),
        device,
        run: this_run(),
    };
    drbd::load(host)?;
    mirror.metadata(standing, journal)?;
    if serving {
        // Pacemaker starts it here, and the side that serves is copied.
        mirror.link_all(journal)?;
    } else {
        let done = mirror.form(journal);
        if done.is_err() {
            let _ = mirror.stage.say(&format!("{FAILED}|{}", mirror.run));
        }
        mirror.rest(done.is_err());
        done?;
    }
    let mut record = Record::load(host, &drbd.key())?
        .unwrap_or_else(|| Record::of(&mirror.device, Stage::Ready));
    record.stage = Stage::Ready;
    record.save(host, &drbd.key())
}

impl Mirror<'_> {
    fn metadata(&self, standing: Standing, journal: &mut dyn Steps) -> Result<(), Failure> {
        let (host, key) = (self.work.host, self.drbd.key());
        let step = format!("storage: {key}: create-md");
        let present = Content::read(host, &self.device)?.find("drbd").is_some();
        let record = Record::load(host, &key)?.filter(|record| record.is_of(&self.device));
        if standing == Standing::Ours && present && record.is_some_and(|r| r.stage > Stage::Begun) {
            return Ok(());
        }
        if !present {
            Record::of(&self.device, Stage::Begun).save(host, &key)?;
            drbd::create_metadata(host, self.drbd.resource)?;
            journal.point(&step);
        }
        let content = Content::read(host, &self.device)?;
        let Some(found) = content.find("drbd") else {
            return Err(Failure::failed(
                format!(
                    "drbdadm create-md left no metadata on {}: it holds {}",
                    self.drbd.device,
                    content.words()
                ),
                format!("look at drbdadm dump-md {}", self.drbd.resource),
            ));
        };
        let mut record = Record::of(&self.device, Stage::Made);
        record.uuid = found.uuid.clone();
        record.save(host, &key)?;
        journal.done(&step)
    }

    fn form(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        let words = migrate::words(host, self.filesystems)?;
        self.data.say(&format!("{}|{words}", self.run))?;
        self.stage.say(&format!("{TAKES_PART}|{}", self.run))?;
        if drbd::state(host, self.drbd)?.is_none() {
            self.drbdadm("up")?;
        }
        journal.point(&format!("storage: {}: up", self.drbd.key()));
        match self.sides.as_slice() {
            [_] => self.alone(journal),
            [first, other] if *first == self.work.name => self.first(other, journal),
            [first, ..] => self.second(first, journal),
            [] => Ok(()),
        }
    }

    /// A cluster of one node: the other side comes later and is copied to.
    fn alone(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        let decisions = self.decisions(&self.data.heard()?)?;
        let state = drbd::state(host, self.drbd)?;
        if state.is_some_and(|state| state.disk == "Inconsistent") {
            self.must_be_fresh()?;
            let args = ["primary", "--force", self.drbd.resource];
            host.must("drbdadm", &args, LIMIT)?;
        } else {
            self.drbdadm("primary")?;
        }
        self.fill(&decisions, true, journal)?;
        self.drbdadm("secondary")?;
        self.link(&decisions, journal)
    }

    fn first(&self, other: &str, journal: &mut dyn Steps) -> Result<(), Failure> {
        let (host, key) = (self.work.host, self.drbd.key());
        let (fresh, said) = wait_for(host, PATIENCE, || {
            let state = self.state()?;
            let said = self.data.heard()?;
            let (stage, of) = self.stage_of(other)?;
            let here = stage == TAKES_PART
                && said.get(other).and_then(|words| words.split('|').next()) == Some(&of);
            Ok(match state.next(self.drbd.resource) {
                Next::Stuck(message) => return Err(stuck(message)),
                Next::Wait(_) if stage == DONE && self.is_complete(&said)? => {
                    Waited::Over((false, said))
                }
                Next::Wait(what) => Waited::For(what),
                _ if !here => Waited::For(format!("{other} to take part")),
                next => Waited::Over((next == Next::BothFresh, said)),
            })
        })?;
        let decisions = self.decisions(&said)?;
        if fresh {
            self.must_be_fresh()?;
            let step = format!("storage: {key}: skip the initial sync");
            drbd::skip_initial_sync(host, self.drbd.resource)?;
            journal.point(&step);
            wait_for(host, PATIENCE, || {
                let state = self.state()?;
                Ok(
                    if state.disk == "UpToDate" && state.peer_disk == "UpToDate" {
                        Waited::Over(())
                    } else {
                        Waited::For("both sides to be equal".into())
                    },
                )
            })?;
            journal.done(&step)?;
        }
        if !self.is_filled()? || self.is_source(&decisions)? {
            self.drbdadm("primary")?;
            journal.point(&format!("storage: {key}: primary"));
            self.fill(&decisions, true, journal)?;
            self.drbdadm("secondary")?;
        }
        journal.point(&format!("storage: {key}: made"));
        let mut told = String::new();
        wait_for(host, PATIENCE, || {
            let (stage, of) = self.stage_of(other)?;
            if stage == DONE && (of == self.run || told.is_empty()) {
                return Ok(Waited::Over(()));
            }
            if stage == FAILED && !told.is_empty() {
                return Err(given_up(other));
            }
            // The other side may have been started anew.
            if stage == TAKES_PART && of != told {
                self.stage.say(&format!("{MADE}|{of}|{}", self.run))?;
                told = of;
            }
            let what = format!("{other} to finish with {}", self.drbd.resource);
            Ok(match self.state()?.peer_role.as_str() {
                "Primary" => Waited::Alive(what),
                _ => Waited::For(what),
            })
        })?;
        self.link(&decisions, journal)?;
        self.stage.say(&format!("{FINISHED}|{}", self.run))
    }

    fn second(&self, first: &str, journal: &mut dyn Steps) -> Result<(), Failure> {
        let (host, key) = (self.work.host, self.drbd.key());
        let mut met = false;
        let partner = wait_for(host, PATIENCE, || {
            let state = self.state()?;
            if let Next::Stuck(message) = state.next(self.drbd.resource) {
                return Err(stuck(message));
            }
            let (stage, of) = self.stage_of(first)?;
            if let Some((to, run)) = of.split_once('|') {
                if stage == MADE && to == self.run {
                    return Ok(Waited::Over(run.to_owned()));
                }
            }
            if stage == FAILED && met {
                return Err(given_up(first));
            }
            met |= stage == TAKES_PART;
            if stage == FINISHED && state.disk != "Inconsistent" {
                return Ok(Waited::Over(of));
            }
            let what = format!("{first} to prepare {}", self.drbd.resource);
            Ok(match state.peer_role.as_str() {
                "Primary" => Waited::Alive(what),
                _ => Waited::For(what),
            })
        })?;
        let decisions = self.decisions(&self.data.heard()?)?;
        if self.is_source(&decisions)? {
            self.drbdadm("primary")?;
            self.fill(&decisions, false, journal)?;
            self.drbdadm("secondary")?;
        }
        for filesystem in self.filesystems {
            // Nobody can open the device of a secondary side.
            let record = Record {
                stage: Stage::Made,
                device: self.path(),
                size: 0,
                uuid: String::new(),
            };
            record.save(host, &filesystem.key())?;
        }
        self.link(&decisions, journal)?;
        self.stage.say(&format!("{DONE}|{partner}"))?;
        journal.point(&format!("storage: {key}: done"));
        Ok(())
    }

    /// Makes the filesystems and copies what this node has to copy.
    fn fill(
        &self,
        decisions: &[Decision],
        make: bool,
        journal: &mut dyn Steps,
    ) -> Result<(), Failure> {
        let host = self.work.host;
        let path = self.path();
        let from_me = Decision::CopyFrom(self.work.name.clone());
        for filesystem in self.filesystems {
            if make {
                filesystem::make(host, filesystem, &path, false, journal)?;
            }
            let all = directories(self.filesystems).zip(decisions);
            let mine = all.filter(|((of, _), decision)| {
                of.key() == filesystem.key() && **decision == from_me
            });
            let mine: Vec<&str> = mine.map(|((_, directory), _)| directory).collect();
            if mine.is_empty() {
                continue;
            }
            self.mount(filesystem, &path)?;
            for directory in mine {
                migrate::copy_in(host, filesystem, directory, journal)?;
                let mut record = Record::of(&find(host, &path)?, Stage::Made);
                record.uuid = migrate::holding(host, filesystem, directory)?.word();
                record.save(host, &migrate::key(filesystem, directory))?;
            }
            self.unmount(filesystem)?;
        }
        Ok(())
    }

    /// Puts the links in the place of directories that were copied somewhere.
    fn link(&self, decisions: &[Decision], journal: &mut dyn Steps) -> Result<(), Failure> {
        for ((filesystem, directory), decision) in directories(self.filesystems).zip(decisions) {
            if *decision != Decision::Nothing {
                self.link_one(filesystem, directory, journal)?;
            }
        }
        Ok(())
    }

    /// The cluster serves already: its data win.
    fn link_all(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        for (filesystem, directory) in directories(self.filesystems) {
            let holding = migrate::holding(self.work.host, filesystem, directory)?;
            if holding != migrate::Holding::Absent {
                self.link_one(filesystem, directory, journal)?;
            }
        }
        Ok(())
    }

    fn link_one(
        &self,
        filesystem: &Filesystem<'_>,
        directory: &str,
        journal: &mut dyn Steps,
    ) -> Result<(), Failure> {
        let aside = migrate::link(self.work.host, filesystem, directory, journal)?;
        if let Some(aside) = aside {
            eprintln!(
                "ubuntu-ha: {directory} is a link to {} now; what this node had there is kept in \
                 {aside}",
                migrate::target_of(filesystem, directory)
            );
        }
        Ok(())
    }

    fn decisions(&self, said: &BTreeMap<String, String>) -> Result<Vec<Decision>, Failure> {
        let words = said.iter().map(|(node, words)| {
            let (_, words) = words.split_once('|').unwrap_or(("", words));
            (node.clone(), words.to_owned())
        });
        migrate::decisions(self.filesystems, &self.sides, &words.collect())
    }

    /// What a node says last: a stage, and whom it is about.
    fn stage_of(&self, node: &str) -> Result<(String, String), Failure> {
        let heard = self.stage.heard()?;
        let words = heard.get(node).map_or("", String::as_str);
        let (stage, of) = words.split_once('|').unwrap_or((words, ""));
        Ok((stage.to_owned(), of.to_owned()))
    }

    /// Whether nothing is left that needs the resource here.
    fn is_complete(&self, said: &BTreeMap<String, String>) -> Result<bool, Failure> {
        Ok(self.is_filled()? && !self.is_source(&self.decisions(said)?)?)
    }

    /// Whether this node has something left to copy.
    fn is_source(&self, decisions: &[Decision]) -> Result<bool, Failure> {
        let host = self.work.host;
        let from_me = Decision::CopyFrom(self.work.name.clone());
        for ((filesystem, directory), decision) in directories(self.filesystems).zip(decisions) {
            if *decision != from_me {
                continue;
            }
            let holding = migrate::holding(host, filesystem, directory)?;
            let copied = Record::load(host, &migrate::key(filesystem, directory))?;
            let same = copied.is_some_and(|record| record.uuid == holding.word());
            if holding != migrate::Holding::Moved && !same {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether all filesystems were made in an earlier run.
    fn is_filled(&self) -> Result<bool, Failure> {
        for filesystem in self.filesystems {
            let record = Record::load(self.work.host, &filesystem.key())?;
            if record.is_none_or(|record| record.stage == Stage::Begun) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn must_be_fresh(&self) -> Result<(), Failure> {
        let resource = self.drbd.resource;
        if drbd::is_fresh(self.work.host, resource)? {
            return Ok(());
        }
        Err(Failure::failed(
            format!(
                "DRBD resource {resource} was in use before, and both of its sides are \
                 inconsistent"
            ),
            format!(
                "decide which side is right and run there: drbdadm primary --force {resource}; \
                 drbdadm secondary {resource}; then the command again"
            ),
        ))
    }

    fn state(&self) -> Result<drbd::State, Failure> {
        drbd::state(self.work.host, self.drbd)?.ok_or_else(|| {
            Failure::failed(
                format!("DRBD resource {} has gone down", self.drbd.resource),
                "look at the kernel's log, then run the command again".into(),
            )
        })
    }

    fn drbdadm(&self, verb: &str) -> Result<(), Failure> {
        let args = [verb, self.drbd.resource];
        self.work.host.must("drbdadm", &args, LIMIT).map(drop)
    }

    fn path(&self) -> String {
        format!("/dev/drbd{}", self.drbd.minor)
    }

    fn mount(&self, filesystem: &Filesystem<'_>, path: &str) -> Result<(), Failure> {
        let host = self.work.host;
        let device = find(host, path)?;
        let all = mounts(host)?;
        if let Some(there) = all.iter().rfind(|mount| mount.target == filesystem.mount) {
            if there.is_of(host, &device) {
                return Ok(());
            }
            return Err(Failure::failed(
                format!("{} is mounted on {}", there.source, there.target),
                "unmount it, then run the command again".into(),
            ));
        }
        let place = host.layout.path(filesystem.mount);
        atomic::create_dir_all(&place, 0o755)?;
        let place = place.display().to_string();
        let args = ["-t", filesystem.kind, &device.argument(), &place];
        host.must("mount", &args, LIMIT).map(drop)
    }

    fn unmount(&self, filesystem: &Filesystem<'_>) -> Result<(), Failure> {
        let place = self.work.host.layout.path(filesystem.mount);
        self.work
            .host
            .must("umount", &[&place.display().to_string()], LIMIT)
            .map(drop)
    }

    /// Leaves the resource to pacemaker; after a failure without a word, for
    /// the failure is what has to be told.
    fn rest(&self, failed: bool) {
        let host = self.work.host;
        if failed {
            let all = mounts(host).unwrap_or_default();
            for filesystem in self.filesystems {
                let here = |mount: &super::device::Mount| mount.target == filesystem.mount;
                let device = Device::find(host, &self.path());
                let ours = device.is_ok_and(|device| {
                    all.iter()
                        .any(|mount| here(mount) && mount.is_of(host, &device))
                });
                if ours {
                    let _ = self.unmount(filesystem);
                }
            }
            let _ = self.drbdadm("secondary");
            let state = drbd::state(host, self.drbd).ok().flatten();
            if state.is_some_and(|state| state.peer_role == "Primary") {
                // It would have this node fenced.
                return;
            }
        }
        if let Err(error) = self.drbdadm("down") {
            eprintln!("ubuntu-ha: {}", words(&error));
        }
    }
}

/// Unlike that of any other run.
fn this_run() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), now.as_nanos())
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Failed { message, .. } | Failure::Environment { message, .. } => message.clone(),
        Failure::Usage { message, .. } => message.clone(),
        Failure::Refused(problems) => problems
            .first()
            .map_or_else(String::new, |problem| problem.message.clone()),
    }
}

fn given_up(node: &str) -> Failure {
    Failure::failed(
        format!("{node} did not succeed in its part"),
        format!("see what ubuntu-ha said on {node}; then run ubuntu-ha apply on both again"),
    )
}

fn stuck(message: String) -> Failure {
    Failure::failed(message, "then run the command again".into())
}
