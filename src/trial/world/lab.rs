//! Clusters in their start state: formed once by real packages, kept as a
//! template, and forked for each trial.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::answers::{self, Addresses};
use super::machines::Machines;
use super::memo::Memo;
use super::repository::{self, Repository};
use super::wires::{CARDS, Wires};
use super::{Trouble, packages};
use crate::build::{self, Answers, Surroundings};
use crate::recipe::model::Recipe;
use crate::recipe::suite::Suite;
use crate::render::installer;
use crate::trial::report::Package;
use crate::trial::run::Course;
use crate::trial::scenario::{Fencing, FormedBy, NODE_NAMES};
use crate::trial::stub;
use crate::vm::accelerator::{self, Accelerator};
use crate::vm::bmc::{PASSWORD, USER};
use crate::vm::image::{self, Image};
use crate::vm::machine::Watchdog;
use crate::vm::owner::Owner;
use crate::vm::shell::Shell;
use crate::vm::template::{Blank, Cluster, Link, Spec, Template};

/// Raised when the same input gives another start state than before.
const LAYOUT: &str = "start 4";

/// MiB of each node.
const MEMORY: u32 = 1024;

/// Before the stretch: unpacking and configuring packages, and what comes
/// until the cluster serves.
const INSTALL: Duration = Duration::from_secs(300);
const FORM: Duration = Duration::from_secs(300);

/// The service that keeps the client's records.
const SERVER: &str = include_str!("../../../vm-tests/guest/records.pl");

/// What no archive has.
const ABSENT: [&str; 2] = ["eucalyptus", "image-store"];

/// The directories that clusters are made from.
#[derive(Debug, Clone)]
pub struct Sources {
    pub recipes: PathBuf,
    /// `dist`, as `hapkg build` leaves it.
    pub dist: PathBuf,
    /// Boots and forms for every trial, instead of forking.
    pub cold: bool,
}

/// Makes clusters, until it is dropped; several threads may ask at once.
pub struct Lab {
    owner: Arc<Owner>,
    sources: Sources,
    surroundings: Surroundings,
    images: Memo<(String, Vec<String>), (Image, Accelerator)>,
    templates: Memo<String, Template>,
    count: AtomicUsize,
}

/// What a start state is made of.
pub struct Ground {
    suite: &'static Suite,
    spec: Spec,
    repository: Repository,
    plans: Vec<Plan>,
    stubs: Vec<stub::Deb>,
    /// Of the formed cluster, beside its machines.
    key: String,
}

impl Ground {
    /// Those of ours that are tried.
    pub fn packages(&self) -> &[Package] {
        &self.repository.packages
    }

    /// Covers all that a trial of the course on this ground is made of, but
    /// hapkg itself.
    pub fn fingerprint(&self, course: &Course) -> String {
        let (spec, scenario) = (&self.spec, course.scenario);
        let accelerator = (spec.accelerator.kind, spec.accelerator.scale);
        let machines = format!(
            "{:?} {:?} {:?} {:?}",
            spec.nodes, accelerator, spec.disks, spec.shared
        );
        let asked = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            scenario.steps, scenario.end, scenario.allow, scenario.budget, course.client
        );
        digest([&self.key, &spec.image.key, &machines, &asked])
    }
}

/// A cluster in its start state.
pub struct Stage {
    pub machines: Machines,
    pub cold: bool,
    /// What the fork took, or all of it where it is cold.
    pub took: Duration,
}

/// Hears what is being done.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    /// A few lines for each start state.
    pub steps: &'a dyn Fn(&str),
    /// Every line that apt prints into a new image.
    pub tools: &'a dyn Fn(&str),
}

struct Numbers<'a>(&'a Spec);

impl Addresses for Numbers<'_> {
    fn address(&self, node: usize, link: usize) -> String {
        self.0.address(node, link).to_string()
    }

    fn bmc(&self, node: usize) -> String {
        self.0.bmc_address(node).to_string()
    }

    fn account(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }
}

/// A role with its answers, as preseed lines.
struct Plan {
    role: String,
    preseed: String,
}

impl Lab {
    /// # Errors
    /// `Environment`: no directory or process to be had, or no QEMU.
    pub fn new(sources: Sources, surroundings: Surroundings) -> Result<Self, Trouble> {
        // Before an image is made for nothing.
        accelerator::version()?;
        Ok(Lab {
            owner: Arc::new(Owner::new()?),
            sources,
            surroundings,
            images: Memo::default(),
            templates: Memo::default(),
            count: AtomicUsize::new(0),
        })
    }

    /// What the start state of the course is made of.
    ///
    /// # Errors
    /// `Environment`: image or packages.
    pub fn ground(
        &self,
        course: &Course,
        suite: &'static Suite,
        heard: Heard,
    ) -> Result<Ground, Trouble> {
        let recipes = self.recipes(course)?;
        let spec = self.spec(course, suite, &recipes, heard.tools)?;
        let wanted: Vec<String> = (recipes.iter())
            .map(|recipe| format!("ubuntu-ha-{}", recipe.role.name))
            .collect();
        let repository = repository::read(&self.sources.dist.join("apt"), suite, &wanted)?;
        let plans = self.plans(course, &recipes, &spec)?;
        let stubs = stubs(course)?;
        let key = key(&repository.key, course, &plans, &stubs);
        Ok(Ground {
            suite,
            spec,
            repository,
            plans,
            stubs,
            key,
        })
    }

    /// A cluster in the start state of the course, with the client at work.
    ///
    /// # Errors
    /// `Environment`: packages or QEMU; `Guest`: the packages do not install, or
    /// the cluster does not form.
    pub fn stage(&self, course: &Course, ground: &Ground, heard: Heard) -> Result<Stage, Trouble> {
        let say = heard.steps;
        let Ground { spec, key, .. } = ground;
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("c{number}");
        let mut began = Instant::now();
        let formed = |cluster: &Cluster| {
            let form = || form(cluster, course, ground, say);
            cluster
                .patrolled(form)
                .map_err(|trouble| match cluster.host_fault() {
                    Some(fault) => Trouble::Environment(fault),
                    None => trouble,
                })
        };
        let (cluster, mut wires) = if self.sources.cold {
            let (cluster, wires) = self.boot(&name, spec, false)?;
            formed(&cluster)?;
            (cluster, wires)
        } else {
            let template = self.templates.get(key.clone(), || {
                let place = Template::cached(spec, key)?;
                if let Some(template) = Template::open(&place, spec)? {
                    return Ok(template);
                }
                say("booting the nodes of a template");
                let (cluster, wires) = self.boot(&format!("{name}t"), spec, true)?;
                formed(&cluster)?;
                say("freezing the template");
                let template = cluster.freeze_to_template(&place)?;
                drop(wires);
                Ok(template)
            })?;
            say("forking the template");
            began = Instant::now();
            let wires = self.wires(&name, spec)?;
            let cluster =
                template.fork(&self.owner, &name, &|node, card| wires.socket(node, card))?;
            (cluster, wires)
        };
        let origin = Instant::now();
        let scale = spec.accelerator.scale;
        wires.begin(&course.client, course.address, scale, origin)?;
        Ok(Stage {
            machines: Machines::new(cluster, wires, origin),
            cold: self.sources.cold,
            took: began.elapsed(),
        })
    }

    fn wires(&self, name: &str, spec: &Spec) -> Result<Wires, Trouble> {
        let dir = self.owner.subdir(&format!("{name}w"))?;
        let nodes: Vec<&str> = spec.nodes.iter().map(String::as_str).collect();
        Ok(Wires::new(&dir, &nodes, spec.links.len())?)
    }

    fn boot(&self, name: &str, spec: &Spec, forkable: bool) -> Result<(Cluster, Wires), Trouble> {
        let wires = self.wires(name, spec)?;
        let cluster = Cluster::boot(&self.owner, name, spec, forkable, &|node, card| {
            wires.socket(node, card)
        })?;
        Ok((cluster, wires))
    }

    /// The role's recipe, then those of the others on the cluster.
    fn recipes(&self, course: &Course) -> Result<Vec<Recipe>, Trouble> {
        let words: Vec<String> = std::iter::once(course.role.to_string())
            .chain(course.start.also.iter().cloned())
            .collect();
        let mut recipes = self.load(&words)?;
        recipes.sort_by_key(|recipe| recipe.role.name != course.role);
        Ok(recipes)
    }

    fn load(&self, words: &[String]) -> Result<Vec<Recipe>, Trouble> {
        let failed = |failure: crate::failure::Failure| {
            Trouble::Environment(format!("the recipe cannot be read: {failure:?}"))
        };
        let paths = build::find(words, &self.sources.recipes).map_err(failed)?;
        let loaded = build::load(&paths, &self.surroundings).map_err(failed)?;
        Ok(loaded.into_iter().map(|one| one.recipe).collect())
    }

    fn spec(
        &self,
        course: &Course,
        suite: &'static Suite,
        recipes: &[Recipe],
        tools: &dyn Fn(&str),
    ) -> Result<Spec, Trouble> {
        let start = &course.start;
        // What our own packages need that come with the role's.
        let ours = packages::ours(recipes);
        let support = match ours.is_empty() {
            true => Vec::new(),
            false => self.load(&ours)?,
        };
        let mut all: Vec<&Recipe> = recipes.iter().chain(&support).collect();
        all.push(self.surroundings.node());
        let mut wanted = packages::names(&all, suite, &ABSENT);
        wanted.extend(start.packages.iter().flatten().cloned());
        if matches!(start.fenced_by(), Fencing::SbdDisk | Fencing::Watchdog) {
            wanted.extend(["sbd".to_string(), "fence-agents-sbd".to_string()]);
        }
        if start.stubs.is_some() {
            wanted.extend(stub::depends().map_err(spoilt)?);
        }
        wanted.sort();
        wanted.dedup();
        let key = (suite.name.to_string(), wanted.clone());
        let (image, accelerator) = self.images.get(key, || {
            let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let image = image::build(suite, &names, tools)?;
            let accelerator = accelerator::choose(&image.kernel(), &self.owner)?;
            Ok((image, accelerator))
        })?;
        let link = |number: usize| Link {
            id: CARDS[number].into(),
            network: [[192, 0, 2, 0], [198, 51, 100, 0]][number].into(),
            prefix: 24,
        };
        let blank = |id: String, size: u64| Blank { id, size };
        let disks = start.disks.iter().flatten().enumerate();
        let mut shared: Vec<Blank> = (start.shared_disk.iter())
            .map(|size| blank("shared".into(), *size))
            .collect();
        if start.fenced_by() == Fencing::SbdDisk {
            shared.push(blank("sbd".into(), 16 << 20));
        }
        let machines = usize::from(start.nodes + start.spare_nodes);
        Ok(Spec {
            image,
            accelerator,
            nodes: NODE_NAMES[..machines]
                .iter()
                .map(ToString::to_string)
                .collect(),
            links: (0..usize::from(start.links)).map(link).collect(),
            memory: MEMORY,
            watchdog: Watchdog::Reset,
            disks: disks
                .map(|(index, size)| match index {
                    0 => blank("data".into(), *size),
                    more => blank(format!("data{}", more + 1), *size),
                })
                .collect(),
            shared,
            bmcs: start.fenced_by() == Fencing::Ipmi,
            append: String::new(),
        })
    }

    /// Each role with its preseed lines, the course's own first.
    fn plans(
        &self,
        course: &Course,
        recipes: &[Recipe],
        spec: &Spec,
    ) -> Result<Vec<Plan>, Trouble> {
        let start = &course.start;
        let broken = |why: String| Trouble::Environment(format!("the answers: {why}"));
        let mut plans = Vec::new();
        for (place, recipe) in recipes.iter().enumerate() {
            let role = &recipe.role.name;
            let file = self
                .sources
                .recipes
                .join("answers")
                .join(format!("{role}.toml"));
            let example = build::answers(&file).map_err(|e| broken(format!("{e:?}")))?;
            let members = start.members();
            let mut answers = answers::adapt(&example, role, start, members, &Numbers(spec));
            if place > 0 {
                answers = Answers {
                    role: answers::of_another(&example, role, start),
                    ..Answers::default()
                };
            }
            let node = (self.surroundings.node(), &answers.cluster);
            let node = (place == 0).then_some(node);
            let preseed = installer::preseed(recipe, &answers.role, node)
                .map_err(|e| broken(e.to_string()))?;
            plans.push(Plan {
                role: role.clone(),
                preseed,
            });
        }
        Ok(plans)
    }
}

/// Packages and answers onto the nodes; then, unless the scenario does it
/// itself, the installation and the forming of the cluster.
fn form(
    cluster: &Cluster,
    course: &Course,
    ground: &Ground,
    say: &dyn Fn(&str),
) -> Result<(), Trouble> {
    let (archive, plans) = (&ground.repository.archive, &ground.plans);
    let start = &course.start;
    let members = start.members();
    say("giving the packages to the nodes");
    cluster.on_all(|node| {
        let shell = node.machine.shell();
        shell.push(archive, &format!("{}.tar", repository::PLACE), 0o644)?;
        shell.succeed(&repository::shell(ground.suite), INSTALL)?;
        for deb in &ground.stubs {
            let place = format!("/root/{}", deb.name);
            shell.push(&deb.data, &place, 0o644)?;
            shell.succeed(&format!("dpkg -i {place} && rm {place}"), INSTALL)?;
        }
        let name = node.machine.name();
        // Who joins by a token has no answers of the cluster's.
        let forms = match start.formed_by {
            FormedBy::Token => name == members[0],
            _ => members.contains(&name),
        };
        for plan in plans {
            let text: String = match !forms {
                true => (plan.preseed.lines())
                    .filter(|line| !line.starts_with("ubuntu-ha-node"))
                    .map(|line| format!("{line}\n"))
                    .collect(),
                false => plan.preseed.clone(),
            };
            preseeded(&shell, &text)?;
        }
        if let Some(port) = course.client.records {
            records(&shell, port)?;
        }
        for script in start.prepare.iter().flatten() {
            shell.succeed(script, INSTALL)?;
        }
        Ok(())
    })?;
    match (start.formed_by, &start.script) {
        (FormedBy::Nothing, _) => return Ok(()),
        (FormedBy::Script, Some(script)) => {
            say("forming the cluster by the scenario's script");
            let first = cluster.node(members[0])?.machine.shell();
            first.succeed(script, INSTALL + FORM)?;
            return Ok(());
        }
        _ => {}
    }
    let names: Vec<String> = plans
        .iter()
        .map(|plan| format!("ubuntu-ha-{}", plan.role))
        .collect();
    let install = format!(
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y install {}",
        names.join(" ")
    );
    say("installing the packages");
    cluster.on_all(|node| match members.contains(&node.machine.name()) {
        true => node.machine.shell().succeed(&install, INSTALL).map(drop),
        false => Ok(()),
    })?;
    say("waiting for the cluster to form");
    let first = cluster.node(members[0])?.machine.shell();
    if start.formed_by == FormedBy::Token {
        by_token(cluster, members, say)?;
    }
    whole(&first, members.len())?;
    // Each node's own `apply` may still be looking whether all is well.
    cluster.on_all(|node| node.machine.shell().succeed(super::SET_UP_IS_OVER, FORM))?;
    Ok(())
}

/// The first member, which has no shared secret, gives each other one a token,
/// and forms the cluster while they join.
fn by_token(cluster: &Cluster, members: &[&str], say: &dyn Fn(&str)) -> Result<(), Trouble> {
    let first = cluster.node(members[0])?.machine.shell();
    let mut tokens = BTreeMap::new();
    for name in &members[1..] {
        let told = first.succeed(&format!("ubuntu-ha token {name}"), FORM)?;
        let token = told.split_whitespace().last().unwrap_or_default();
        tokens.insert((*name).to_string(), format!("{token}\n"));
    }
    say("forming the cluster, the others join by their tokens");
    cluster.on_all(|node| {
        let (shell, name) = (node.machine.shell(), node.machine.name());
        let done = match tokens.get(name) {
            Some(token) => shell.feed(&["ubuntu-ha", "join", "-"], token.as_bytes(), FORM)?,
            None if name == members[0] => shell.script("ubuntu-ha apply --wait 300", FORM)?,
            None => return Ok(()),
        };
        match done.success() {
            true => Ok(()),
            false => Err(crate::vm::Error::Guest(format!(
                "{name}: forming by tokens ended with {}: {}",
                done.status,
                done.errors()
            ))),
        }
    })?;
    Ok(())
}

fn spoilt(error: debcrate::Error) -> Trouble {
    Trouble::Environment(format!("the stub's package: {error}"))
}

/// The service that keeps the client's records; it runs on every node and
/// writes only where a role's filesystem is mounted.
fn records(shell: &Shell, port: u16) -> Result<(), crate::vm::Error> {
    let place = "/usr/local/lib/hapkg/records.pl";
    shell.push(SERVER.as_bytes(), place, 0o644)?;
    let unit = format!(
        "[Unit]\nDescription=Records of the trials' client\n\n[Service]\n\
         ExecStart=/usr/bin/perl {place} {port}\nRestart=always\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    let path = "/etc/systemd/system/hapkg-records.service";
    shell.push(unit.as_bytes(), path, 0o644)?;
    let start = "systemctl daemon-reload && systemctl -q enable --now hapkg-records";
    shell.succeed(start, INSTALL).map(drop)
}

fn preseeded(shell: &Shell, text: &str) -> Result<(), crate::vm::Error> {
    let done = shell.feed(&["debconf-set-selections"], text.as_bytes(), INSTALL)?;
    match done.success() {
        true => Ok(()),
        false => Err(crate::vm::Error::Guest(format!(
            "debconf-set-selections: {}",
            done.errors()
        ))),
    }
}

/// Waits until that many members are online with nothing pending or starting,
/// as `ubuntu-ha status` has it.
fn whole(shell: &Shell, members: usize) -> Result<(), Trouble> {
    // Polled in the guest, as an exchange with it costs more than a look; seldom,
    // as crm_mon keeps an emulated node from what it is waited for.
    let script = format!(
        "for i in $(seq 200); do \
         if [ -e /var/lib/ubuntu-ha/formed ] && told=$(crm_mon -1 2>/dev/null) \
         && echo \"$told\" | grep -E '^ *\\* Online:' | grep -oE '[a-z]+' | grep -cE '^({})$' | grep -qx {members} \
         && ! echo \"$told\" | grep -qE 'Starting|Stopped|pending'; then exit 0; fi; \
         sleep 3; done; exit 1",
        NODE_NAMES.join("|")
    );
    let done = shell.script(&script, FORM);
    let told = match done {
        Ok(done) if done.success() => return Ok(()),
        Ok(_) => "it did not".to_string(),
        Err(crate::vm::Error::Environment(why)) => return Err(Trouble::Environment(why)),
        Err(error) => error.to_string(),
    };
    let look = "crm_mon -1; systemctl --no-pager status ubuntu-ha-setup.service; \
                journalctl --no-pager -n 30 -u ubuntu-ha-setup.service";
    let seen = shell.script(look, Duration::from_secs(30));
    let seen = seen.map(|done| done.text()).unwrap_or_default();
    Err(Trouble::Guest(format!(
        "the cluster was to form: {told}\n{seen}"
    )))
}

/// The packages of what no archive has.
fn stubs(course: &Course) -> Result<Vec<stub::Deb>, Trouble> {
    match course.start.stubs.as_deref() {
        None | Some([]) => Ok(Vec::new()),
        Some(_) => Ok(vec![stub::eucalyptus().map_err(spoilt)?]),
    }
}

/// Covers all that went into a formed cluster beside its machines.
fn key(repository: &str, course: &Course, plans: &[Plan], stubs: &[stub::Deb]) -> String {
    let start = format!("{:?} {:?}", course.start, course.client.records);
    let server = course.client.records.map_or("", |_| SERVER);
    let texts = [LAYOUT, server, repository, course.role, &start];
    let plans = plans.iter().map(|plan| plan.preseed.as_bytes());
    let stubs = stubs.iter().map(|deb| deb.data.as_slice());
    digest(
        texts
            .map(str::as_bytes)
            .into_iter()
            .chain(plans)
            .chain(stubs),
    )
}

/// A short hash over the parts and where they end.
fn digest(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether a path has what `hapkg build` makes.
pub fn has_packages(dist: &Path) -> bool {
    dist.join("apt/dists").is_dir()
}
