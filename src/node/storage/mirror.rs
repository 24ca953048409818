//! A DRBD resource from two blank disks to two equal sides with a filesystem.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::problem::Failure;
use super::Work;
use super::check::{self, Standing};
use super::content::Content;
use super::device::{Device, mounts};
use super::drbd::{self, LIMIT, Next};
use super::filesystem::{self, find};
use super::item::{Drbd, Filesystem};
use super::migrate::{self, Agreed, Decision, Holding, Looks, directories};
use super::owners;
use super::peers::{Channel, Waited, is_in_cib, wait_for};
use super::record::{Record, Stage};
use super::steps::Steps;
use super::udev;
use crate::atomic;

/// How long the other side may take to turn up.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a node says that it still reads.
const BEAT: Duration = Duration::from_secs(5);

/// What a node says of itself.
/// It reads what it has in the directories; the word changes while it does.
const READING: &str = "reading";
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
    looks: Looks,
}

/// What a node has said of its directories.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    run: String,
    /// Of each directory: what the node has.
    holdings: String,
    /// Of each directory: whose it is there.
    owners: String,
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
        looks: Looks::default(),
    };
    if serving && ready && standing == Standing::Ours {
        return mirror.link_missing(journal);
    }
    drbd::load(host)?;
    mirror.metadata(standing, journal)?;
    if serving {
        // Pacemaker starts it here, and the side that serves is copied.
        mirror.attach()?;
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
            // They are about what was on another disk.
            for filesystem in self.filesystems {
                Record::forget(host, &filesystem.key())?;
            }
            for (filesystem, directory) in directories(self.filesystems) {
                Record::forget(host, &migrate::key(filesystem, directory))?;
            }
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

    /// A resource that has lost its disk stays up without one: nobody else gives
    /// it the new one.
    fn attach(&self) -> Result<(), Failure> {
        let state = drbd::state(self.work.host, self.drbd)?;
        match state {
            Some(state) if state.disk == "Diskless" => self.drbdadm("attach"),
            _ => Ok(()),
        }
    }

    fn form(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        let peer = self.sides.iter().find(|side| **side != self.work.name);
        let peer = peer.copied().unwrap_or_default();
        let before = self.stage_of(peer)?;
        self.say_holdings()?;
        let leads = self.sides.first() == Some(&self.work.name.as_str());
        if !leads {
            // Nothing may be copied before both mean the same owners.
            let said = self.hear_first(peer, &before)?;
            if let Ok(agreed) = self.agreed(&said) {
                self.must_know_owners(&said, &agreed)?;
            }
        }
        self.stage.say(&format!("{TAKES_PART}|{}", self.run))?;
        if drbd::state(host, self.drbd)?.is_none() {
            self.drbdadm("up")?;
        }
        journal.point(&format!("storage: {}: up", self.drbd.key()));
        if leads {
            self.first(peer, &before, journal)
        } else {
            self.second(peer, journal)
        }
    }

    /// Reads what this node has and tells the other, which may take long.
    fn say_holdings(&self) -> Result<(), Failure> {
        let host = self.work.host;
        let beat = if host.is_trial() {
            Duration::from_millis(20)
        } else {
            BEAT
        };
        let (mut holdings, mut owned) = (Vec::new(), Vec::new());
        let (mut count, mut last) = (0, Instant::now());
        self.stage.say(&format!("{READING}|{}|0", self.run))?;
        let mut alive = || {
            if last.elapsed() >= beat {
                count += 1;
                // A word that is lost is followed by another.
                let _ = self.stage.say(&format!("{READING}|{}|{count}", self.run));
                last = Instant::now();
            }
        };
        for (filesystem, directory) in directories(self.filesystems) {
            let (holding, owners) = self.looks.look(host, filesystem, directory, &mut alive)?;
            holdings.push(holding.word());
            owned.push(owners::named(host, &owners)?);
        }
        // An empty value would be none.
        self.data.say(&format!(
            "{}|{}|{}",
            self.run,
            holdings.join(","),
            owned.join(",")
        ))
    }

    /// Waits until the first node has said what it has.
    fn hear_first(
        &self,
        first: &str,
        before: &(String, String),
    ) -> Result<BTreeMap<String, Said>, Failure> {
        let mut last = before.clone();
        wait_for(self.work.host, PATIENCE, || {
            let now = self.stage_of(first)?;
            let said = self.said()?;
            let (stage, of) = &now;
            let known = said.get(first).is_some_and(|said| said.run == *of);
            let ready = match stage.as_str() {
                TAKES_PART => known,
                MADE | FINISHED => said.contains_key(first),
                FAILED if now != *before => return Err(given_up(first)),
                _ => false,
            };
            if ready {
                return Ok(Waited::Over(said));
            }
            let what = format!("{first} to say what it has for {}", self.drbd.resource);
            Ok(reading(&now, &mut last, what))
        })
    }

    /// The numbers of the owners that are copied have to mean the same here.
    fn must_know_owners(
        &self,
        said: &BTreeMap<String, Said>,
        agreed: &[Agreed],
    ) -> Result<(), Failure> {
        let mut found = BTreeSet::new();
        for (index, agreed) in agreed.iter().enumerate() {
            let node = match &agreed.decision {
                Decision::CopyFrom(node) => node.as_str(),
                Decision::Nothing => self.sides.first().copied().unwrap_or_default(),
                Decision::Moved | Decision::Conflict(_) => continue,
            };
            if node == self.work.name {
                continue;
            }
            let words = said
                .get(node)
                .and_then(|said| said.owners.split(',').nth(index));
            found.extend(owners::disagreements(
                self.work.host,
                node,
                words.unwrap_or_default(),
            )?);
        }
        unlike_owners(&found)
    }

    fn first(
        &self,
        other: &str,
        before: &(String, String),
        journal: &mut dyn Steps,
    ) -> Result<(), Failure> {
        let (host, key) = (self.work.host, self.drbd.key());
        let mut last = before.clone();
        let (fresh, said) = wait_for(host, PATIENCE, || {
            let state = self.state()?;
            let said = self.said()?;
            let now = self.stage_of(other)?;
            let (stage, of) = &now;
            let here = stage == TAKES_PART && said.get(other).is_some_and(|said| said.run == *of);
            if stage == FAILED && now != *before {
                return Err(given_up(other));
            }
            Ok(match state.next(self.drbd.resource) {
                Next::Stuck(message) => return Err(stuck(message)),
                Next::Wait(_) if stage == DONE && self.is_complete(&said)? => {
                    Waited::Over((false, said))
                }
                Next::Wait(what) => reading(&now, &mut last, what),
                _ if !here => reading(&now, &mut last, format!("{other} to take part")),
                next => Waited::Over((next == Next::BothFresh, said)),
            })
        })?;
        let agreed = self.agreed(&said)?;
        self.must_know_owners(&said, &agreed)?;
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
        if !self.is_filled()? || self.has_work(&agreed, true)? {
            self.drbdadm("primary")?;
            journal.point(&format!("storage: {key}: primary"));
            self.fill(&agreed, true, journal)?;
            self.drbdadm("secondary")?;
        }
        journal.point(&format!("storage: {key}: made"));
        let mut told = String::new();
        wait_for(host, PATIENCE, || {
            let now = self.stage_of(other)?;
            let (stage, of) = now.clone();
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
                _ => reading(&now, &mut last, what),
            })
        })?;
        self.link(&agreed, journal)?;
        self.stage.say(&format!("{FINISHED}|{}", self.run))
    }

    fn second(&self, first: &str, journal: &mut dyn Steps) -> Result<(), Failure> {
        let (host, key) = (self.work.host, self.drbd.key());
        let mut last = (String::new(), String::new());
        let partner = wait_for(host, PATIENCE, || {
            let state = self.state()?;
            if let Next::Stuck(message) = state.next(self.drbd.resource) {
                return Err(stuck(message));
            }
            let now = self.stage_of(first)?;
            let (stage, of) = now.clone();
            if let Some((to, run)) = of.split_once('|') {
                if stage == MADE && to == self.run {
                    return Ok(Waited::Over(run.to_owned()));
                }
            }
            // It had taken part when this node began to.
            if stage == FAILED {
                // A conflict is known here as well.
                self.agreed(&self.said()?)?;
                return Err(given_up(first));
            }
            if stage == FINISHED && state.disk != "Inconsistent" {
                return Ok(Waited::Over(of));
            }
            let what = format!("{first} to prepare {}", self.drbd.resource);
            Ok(match state.peer_role.as_str() {
                "Primary" => Waited::Alive(what),
                _ => reading(&now, &mut last, what),
            })
        })?;
        let said = self.said()?;
        let agreed = self.agreed(&said)?;
        self.must_know_owners(&said, &agreed)?;
        if self.has_work(&agreed, false)? {
            self.drbdadm("primary")?;
            self.fill(&agreed, false, journal)?;
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
        self.link(&agreed, journal)?;
        self.stage.say(&format!("{DONE}|{partner}"))?;
        journal.point(&format!("storage: {key}: done"));
        Ok(())
    }

    /// Makes the filesystems and what this node has to put on them.
    fn fill(&self, agreed: &[Agreed], leads: bool, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        let path = self.path();
        for filesystem in self.filesystems {
            if leads {
                filesystem::make(host, filesystem, &path, false, journal)?;
            }
            let mut work = Vec::new();
            for ((of, directory), agreed) in directories(self.filesystems).zip(agreed) {
                if of.key() == filesystem.key() && self.is_mine(of, directory, agreed, leads)? {
                    work.push((directory, agreed));
                }
            }
            if work.is_empty() {
                continue;
            }
            self.mount(filesystem, &path)?;
            for (directory, agreed) in work {
                self.put(filesystem, directory, agreed, journal)?;
                self.note(filesystem, directory, Stage::Made, &agreed.word)?;
            }
            self.unmount(filesystem)?;
        }
        Ok(())
    }

    /// Sees to it that the directory is on the filesystem, which is mounted.
    fn put(
        &self,
        filesystem: &Filesystem<'_>,
        directory: &str,
        agreed: &Agreed,
        journal: &mut dyn Steps,
    ) -> Result<(), Failure> {
        let host = self.work.host;
        match &agreed.decision {
            Decision::Nothing => migrate::make_empty(host, filesystem, directory, journal),
            Decision::Moved => migrate::must_be_there(host, filesystem, directory),
            Decision::CopyFrom(_) => {
                let earlier = migrate::noted(host, filesystem, directory)?;
                let earlier = earlier.as_deref();
                let word = migrate::copy_in(host, filesystem, directory, earlier, journal)?;
                if word == agreed.word {
                    return Ok(());
                }
                self.note(filesystem, directory, Stage::Begun, &word)?;
                Err(changed(directory))
            }
            Decision::Conflict(message) => Err(stuck(message.clone())),
        }
    }

    /// Keeps the word of what is moved, for a later run to compare with.
    fn note(
        &self,
        filesystem: &Filesystem<'_>,
        directory: &str,
        stage: Stage,
        word: &str,
    ) -> Result<(), Failure> {
        let record = Record {
            stage,
            device: self.path(),
            size: 0,
            uuid: word.to_owned(),
        };
        record.save(self.work.host, &migrate::key(filesystem, directory))
    }

    /// Puts the links in the place of the directories, unless a node has got
    /// something else there than what was agreed on.
    fn link(&self, agreed: &[Agreed], journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        for ((filesystem, directory), agreed) in directories(self.filesystems).zip(agreed) {
            let look = self.looks.look(host, filesystem, directory, &mut || {});
            let (holding, _) = look?;
            if matches!(holding, Holding::Data { .. }) && holding.word() != agreed.word {
                return Err(changed(directory));
            }
            if migrate::noted(host, filesystem, directory)?.as_deref() != Some(&agreed.word) {
                self.note(filesystem, directory, Stage::Begun, &agreed.word)?;
            }
            self.link_one(filesystem, directory, journal)?;
        }
        Ok(())
    }

    /// Where no node had a directory once, there may be no link to this day.
    fn link_missing(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        for (filesystem, directory) in directories(self.filesystems) {
            if fs::symlink_metadata(host.layout.path(directory)).is_ok() {
                continue;
            }
            if self.is_mounted(filesystem)? {
                migrate::make_empty(host, filesystem, directory, journal)?;
            }
            self.link_one(filesystem, directory, journal)?;
        }
        Ok(())
    }

    /// The cluster serves already: its data win, but not over those that were
    /// to be moved and were changed since.
    fn link_all(&self, journal: &mut dyn Steps) -> Result<(), Failure> {
        let host = self.work.host;
        // What the other one said may be forgotten by now; then nothing is told.
        let mut found = BTreeSet::new();
        for (node, said) in self.said()? {
            if node != self.work.name {
                for words in said.owners.split(',') {
                    found.extend(owners::disagreements(host, &node, words)?);
                }
            }
        }
        unlike_owners(&found)?;
        for (filesystem, directory) in directories(self.filesystems) {
            if let Some(word) = migrate::noted(host, filesystem, directory)? {
                let (holding, _) = self.looks.look(host, filesystem, directory, &mut || {})?;
                if matches!(holding, Holding::Data { .. }) && holding.word() != word {
                    return Err(Failure::failed(
                        format!(
                            "{directory} was changed since it was moved, and the cluster serves \
                             what was moved"
                        ),
                        format!(
                            "see what of it the cluster lacks; then run: mv {directory} \
                             {directory}.other; ubuntu-ha apply"
                        ),
                    ));
                }
            }
            self.link_one(filesystem, directory, journal)?;
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

    fn agreed(&self, said: &BTreeMap<String, Said>) -> Result<Vec<Agreed>, Failure> {
        let words = said
            .iter()
            .map(|(node, said)| (node.clone(), said.holdings.clone()));
        migrate::decisions(self.filesystems, &self.sides, &words.collect())
    }

    /// What the nodes have said of their directories, by name.
    fn said(&self) -> Result<BTreeMap<String, Said>, Failure> {
        let said = self.data.heard()?.into_iter().map(|(node, words)| {
            let mut parts = words.splitn(3, '|').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let said = Said {
                run: next(),
                holdings: next(),
                owners: next(),
            };
            (node, said)
        });
        Ok(said.collect())
    }

    /// What a node says last: a stage, and whom it is about.
    fn stage_of(&self, node: &str) -> Result<(String, String), Failure> {
        let heard = self.stage.heard()?;
        let words = heard.get(node).map_or("", String::as_str);
        let (stage, of) = words.split_once('|').unwrap_or((words, ""));
        Ok((stage.to_owned(), of.to_owned()))
    }

    /// Whether nothing is left that needs the resource here.
    fn is_complete(&self, said: &BTreeMap<String, Said>) -> Result<bool, Failure> {
        Ok(self.is_filled()? && !self.has_work(&self.agreed(said)?, true)?)
    }

    /// Whether this node has something left to put on a filesystem.
    fn has_work(&self, agreed: &[Agreed], leads: bool) -> Result<bool, Failure> {
        for ((filesystem, directory), agreed) in directories(self.filesystems).zip(agreed) {
            if self.is_mine(filesystem, directory, agreed, leads)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether this node has to put the directory on the filesystem, or to look
    /// for it there, and has not done so.
    fn is_mine(
        &self,
        filesystem: &Filesystem<'_>,
        directory: &str,
        agreed: &Agreed,
        leads: bool,
    ) -> Result<bool, Failure> {
        let mine = match &agreed.decision {
            Decision::CopyFrom(node) => *node == self.work.name,
            _ => leads,
        };
        let record = Record::load(self.work.host, &migrate::key(filesystem, directory))?;
        let done = record.is_some_and(|r| r.stage > Stage::Begun && r.uuid == agreed.word);
        Ok(mine && !done)
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

    fn is_mounted(&self, filesystem: &Filesystem<'_>) -> Result<bool, Failure> {
        let host = self.work.host;
        let Ok(device) = Device::find(host, &self.path()) else {
            return Ok(false);
        };
        let all = mounts(host)?;
        let mut here = all.iter().filter(|at| at.target == filesystem.mount);
        Ok(here.any(|mount| mount.is_of(host, &device)))
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
            for filesystem in self.filesystems {
                if self.is_mounted(filesystem).unwrap_or(false) {
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

/// Waiting for a node that may be reading a large directory: `last` is what it
/// said before.
fn reading<T>(now: &(String, String), last: &mut (String, String), what: String) -> Waited<T> {
    let alive = now.0 == READING && now != last;
    last.clone_from(now);
    if alive {
        Waited::Alive(what)
    } else {
        Waited::For(what)
    }
}

fn unlike_owners(found: &BTreeSet<String>) -> Result<(), Failure> {
    if found.is_empty() {
        return Ok(());
    }
    let all: Vec<&str> = found.iter().map(String::as_str).collect();
    Err(Failure::failed(
        all.join("; "),
        "then run ubuntu-ha apply on all nodes again".into(),
    ))
}

fn changed(directory: &str) -> Failure {
    Failure::failed(
        format!("{directory} was changed while it was moved; it stays as it is"),
        format!(
            "stop what writes to {directory}, and keep it from starting at boot; then run \
             ubuntu-ha apply on all nodes again"
        ),
    )
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

#[cfg(test)]
mod tests {
    use super::{Waited, reading};

    #[test]
    fn who_reads_is_alive_as_long_as_the_word_changes() {
        let word = |stage: &str, of: &str| (stage.to_owned(), of.to_owned());
        let mut last = word("failed", "1-1");
        let mut alive = |now| {
            let waited: Waited<()> = reading(&now, &mut last, "beta".into());
            matches!(waited, Waited::Alive(_))
        };
        assert!(alive(word("reading", "2-2|0")));
        assert!(!alive(word("reading", "2-2|0")));
        assert!(alive(word("reading", "2-2|1")));
        assert!(!alive(word("up", "2-2")));
        assert!(!alive(word("failed", "2-2")));
    }
}
