//! Clusters in their start state: formed once by real packages, kept as a
//! template, and forked for each trial.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::answers::{self, Addresses};
use super::ground::{Ground, Plan};
use super::machines::Machines;
use super::memo::Memo;
use super::repository;
use super::wires::{CARDS, Wires};
use super::{Trouble, packages};
use crate::build::{self, Answers, Surroundings};
use crate::failure::Failure;
use crate::recipe::model::Recipe;
use crate::recipe::suite::Suite;
use crate::render::installer;
use crate::trial::report::Attachment;
use crate::trial::run::Course;
use crate::trial::scenario::{Fencing, NODE_NAMES};
use crate::trial::stub;
use crate::vm::accelerator::{self, Accelerator};
use crate::vm::bmc::{PASSWORD, USER};
use crate::vm::cache;
use crate::vm::image::{self, Image};
use crate::vm::machine::Watchdog;
use crate::vm::owner::Owner;
use crate::vm::template::{Blank, Cluster, Link, Spec, Template};

/// MiB of each node.
const MEMORY: u32 = 1024;

/// The last boots, as far as the report can well show them.
const JOURNAL: &str = "journalctl --no-pager --quiet -o short-monotonic -n 3000";
/// Before the stretch.
const LOGS: Duration = Duration::from_secs(30);

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
    /// Where the frames of every trial go, as pcap files.
    pub capture: Option<PathBuf>,
}

/// Makes clusters, until it is dropped; several threads may ask at once.
pub struct Lab {
    owner: Arc<Owner>,
    sources: Sources,
    surroundings: Surroundings,
    images: Memo<(String, Vec<String>), (Image, Accelerator)>,
    templates: Memo<String, Template>,
    count: AtomicUsize,
    /// Why guests are emulated.
    told: AtomicBool,
}

/// A cluster in its start state.
pub struct Stage {
    pub machines: Machines,
    pub cold: bool,
    /// What the fork took, or all of it where it is cold.
    pub took: Duration,
}

/// Why there is no cluster in its start state.
#[derive(Debug)]
pub struct Unformed {
    pub trouble: Trouble,
    /// What the machines that were to form it logged.
    pub logs: Vec<Attachment>,
}

impl From<Trouble> for Unformed {
    fn from(trouble: Trouble) -> Self {
        Unformed {
            trouble,
            logs: Vec::new(),
        }
    }
}

impl From<crate::vm::Error> for Unformed {
    fn from(error: crate::vm::Error) -> Self {
        Trouble::from(error).into()
    }
}

/// Hears what is being done.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    /// A few lines for each start state.
    pub steps: &'a dyn Fn(&str),
    /// Every line that apt prints into a new image.
    pub tools: &'a dyn Fn(&str),
    /// What the user is to know afterwards too.
    pub lasting: &'a dyn Fn(&str),
}

/// Seconds of sbd's watchdog on an emulated node; with the default of 5, nodes
/// were reset while clusters formed.
const EMULATED_WATCHDOG: u32 = 15;

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

    fn sbd_watchdog_timeout(&self) -> Option<u32> {
        (self.0.accelerator.kind == accelerator::Kind::Tcg).then_some(EMULATED_WATCHDOG)
    }
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
            told: AtomicBool::new(false),
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
        let spec = self.spec(course, suite, &recipes, heard)?;
        let wanted: Vec<String> = (recipes.iter())
            .map(|recipe| format!("ubuntu-ha-{}", recipe.role.name))
            .collect();
        let repository = repository::read(&self.sources.dist.join("apt"), suite, &wanted)?;
        let plans = self.plans(course, &recipes, &spec)?;
        let stubs = stubs(course)?;
        Ok(Ground::new(course, suite, spec, repository, plans, stubs))
    }

    /// A cluster in the start state of the course, with the client at work.
    ///
    /// # Errors
    /// `Environment`: packages or QEMU; `Guest`: the packages do not install, or
    /// the cluster does not form.
    pub fn stage(&self, course: &Course, ground: &Ground, heard: Heard) -> Result<Stage, Unformed> {
        let say = heard.steps;
        let Ground { spec, key, .. } = ground;
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("c{number}");
        let mut began = Instant::now();
        let formed = |cluster: &Cluster| {
            let form = || ground.form(cluster, course, say);
            cluster
                .patrolled(form)
                .map_err(|trouble| match (cluster.host_fault(), &trouble) {
                    (Some(fault), _) => Trouble::Environment(fault).into(),
                    (None, Trouble::Environment(_)) => trouble.into(),
                    (None, Trouble::Guest(_)) => Unformed {
                        trouble,
                        logs: logs(cluster),
                    },
                })
        };
        let (cluster, mut wires) = if self.sources.cold {
            let (cluster, wires) = self.boot(&name, spec, false)?;
            formed(&cluster)?;
            (cluster, wires)
        } else {
            let template = self.templates.get::<Unformed>(key.clone(), || {
                let place = Template::cached(spec, key)?;
                if let Some(template) = Template::open(&place, spec)? {
                    return Ok(template);
                }
                cache::make_room(say)?;
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
        if let Some(dir) = &self.sources.capture {
            let stem = format!(
                "{}-{}-{}-{}",
                course.role, course.suite, course.scenario.name, course.repeat
            );
            wires.capture(dir, &stem)?;
        }
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
        let mut recipes = self.load(&roles(course))?;
        recipes.sort_by_key(|recipe| recipe.role.name != course.role);
        Ok(recipes)
    }

    fn load(&self, words: &[String]) -> Result<Vec<Recipe>, Trouble> {
        load(words, &self.sources.recipes, &self.surroundings).map_err(unreadable)
    }

    fn spec(
        &self,
        course: &Course,
        suite: &'static Suite,
        recipes: &[Recipe],
        heard: Heard,
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
        let (image, accelerator) = self.images.get::<Trouble>(key, || {
            let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let image = image::build(suite, &names, heard.tools)?;
            let accelerator = accelerator::choose(&image.kernel(), &self.owner)?;
            let slow = accelerator.kind == accelerator::Kind::Tcg;
            if slow && !self.told.swap(true, Ordering::Relaxed) {
                (heard.lasting)(&format!("machines run under {accelerator}"));
            }
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
        let mut plans = Vec::new();
        for (place, recipe) in recipes.iter().enumerate() {
            let role = &recipe.role.name;
            let file = answers_file(&self.sources.recipes, role);
            let example = build::answers(&file).map_err(unreadable)?;
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
                .map_err(|e| Trouble::Environment(format!("the answers: {e}")))?;
            plans.push(Plan {
                role: role.clone(),
                preseed,
            });
        }
        Ok(plans)
    }
}

/// Reads all recipes and answers that the courses need, as nothing can be said
/// of any trial where one is wrong.
///
/// # Errors
/// What is wrong with them, and where.
pub fn readable(
    recipes: &Path,
    surroundings: &Surroundings,
    courses: &[Course],
) -> Result<(), Failure> {
    let mut words: Vec<String> = courses.iter().flat_map(roles).collect();
    words.sort();
    words.dedup();
    let loaded = load(&words, recipes, surroundings)?;
    let support = packages::ours(&loaded);
    if !support.is_empty() {
        load(&support, recipes, surroundings)?;
    }
    for recipe in &loaded {
        let file = answers_file(recipes, &recipe.role.name);
        let answers = build::answers(&file)?;
        build::validate(&file, &answers, recipe, surroundings.node())?;
    }
    Ok(())
}

/// The course's role, and the others on its cluster.
fn roles(course: &Course) -> Vec<String> {
    std::iter::once(course.role.to_string())
        .chain(course.start.also.iter().cloned())
        .collect()
}

fn load(
    words: &[String],
    recipes: &Path,
    surroundings: &Surroundings,
) -> Result<Vec<Recipe>, Failure> {
    let paths = build::find(words, recipes)?;
    let loaded = build::load(&paths, surroundings)?;
    Ok(loaded.into_iter().map(|one| one.recipe).collect())
}

fn answers_file(recipes: &Path, role: &str) -> PathBuf {
    recipes.join("answers").join(format!("{role}.toml"))
}

/// What [`readable`] has read is not what it was.
fn unreadable(failure: Failure) -> Trouble {
    let why = match failure {
        Failure::Recipes(files) => {
            let files: Vec<String> = files.iter().map(ToString::to_string).collect();
            files.join("\n")
        }
        Failure::No(why) | Failure::Usage(why) | Failure::Environment(why) => why,
    };
    Trouble::Environment(format!("recipes or answers have changed meanwhile: {why}"))
}

/// Journal and console of each node, as far as it answers.
fn logs(cluster: &Cluster) -> Vec<Attachment> {
    let told = cluster.on_all(|node| {
        let machine = &node.machine;
        let journal = machine.shell().script(JOURNAL, LOGS);
        let texts = [
            ("journal", journal.map(|done| done.text())),
            ("console", machine.console()),
        ];
        Ok(texts.map(|(kind, text)| {
            let text = text.unwrap_or_else(|error| error.to_string());
            Attachment::of(machine.name(), kind, text)
        }))
    });
    told.into_iter().flatten().flatten().flatten().collect()
}

fn spoilt(error: debcrate::Error) -> Trouble {
    Trouble::Environment(format!("the stub's package: {error}"))
}

/// The packages of what no archive has.
fn stubs(course: &Course) -> Result<Vec<stub::Deb>, Trouble> {
    match course.start.stubs.as_deref() {
        None | Some([]) => Ok(Vec::new()),
        Some(_) => Ok(vec![stub::eucalyptus().map_err(spoilt)?]),
    }
}

/// Whether a path has what `hapkg build` makes.
pub fn has_packages(dist: &Path) -> bool {
    dist.join("apt/dists").is_dir()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::readable;
    use crate::build;
    use crate::trial::run::Course;
    use crate::trial::scenario::{load_all, load_profiles};
    use crate::trial::select::{Wanted, choose};

    /// What is wrong with the recipes below a directory that every trial of a
    /// role needs, and the exit status.
    fn wrong(recipes: &Path, role: &str) -> Option<(String, u8)> {
        let tests = Path::new("vm-tests");
        let (scenarios, profiles) = (load_all(tests).unwrap(), load_profiles(tests).unwrap());
        let roles = [role.to_string()];
        let wanted = Wanted {
            roles: if role.is_empty() { &[] } else { &roles },
            ..Wanted::default()
        };
        let chosen = choose(&scenarios, &profiles, &wanted).unwrap();
        let courses: Vec<Course> = (chosen.iter())
            .map(|one| {
                let profile = profiles.get(one.role);
                Course::new(one.scenario, one.role, one.suite.name, 1, profile)
            })
            .collect();
        let surroundings = build::context(recipes).unwrap();
        let failure = readable(recipes, &surroundings, &courses).err()?;
        let code = failure.exit_code();
        let super::Trouble::Environment(text) = super::unreadable(failure) else {
            unreachable!();
        };
        Some((text, code))
    }

    #[test]
    fn a_typo_is_told_by_its_place_and_is_no_fault_of_the_environment() {
        assert_eq!(wrong(Path::new("recipes"), ""), None);
        let copy = tempfile::tempdir().unwrap();
        let recipes = copy.path();
        fs::create_dir(recipes.join("answers")).unwrap();
        let put = |name: &str, old: &str, new: &str| {
            let text = fs::read_to_string(Path::new("recipes").join(name)).unwrap();
            assert!(text.contains(old), "{name}");
            fs::write(recipes.join(name), text.replacen(old, new, 1)).unwrap();
        };
        put("advanced.toml", "", "");
        put("answers/advanced.toml", "", "");
        put("answers/advanced.toml", "[role]", "[role]\nvipp = \"1\"");
        let (text, code) = wrong(recipes, "advanced").unwrap();
        assert_eq!(code, 1);
        assert!(text.contains("answers/advanced.toml"), "{text}");
        assert!(text.contains("no question vipp"), "{text}");
        put("answers/advanced.toml", "[role]", "[role");
        let (text, code) = wrong(recipes, "advanced").unwrap();
        assert_eq!(code, 1);
        assert!(text.contains("line"), "{text}");
        put("advanced.toml", "[role]", "[role]\nsumary = \"x\"");
        let (text, code) = wrong(recipes, "advanced").unwrap();
        assert_eq!(code, 1);
        assert!(text.contains("advanced.toml:"), "{text}");
        assert!(text.contains("sumary"), "{text}");
    }
}
