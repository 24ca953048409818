//! Machines for real: an image is made and booted, its cluster frozen, forked
//! twice at once, fenced by its BMCs, and killed with its owner.
//!
//! `cargo test --features vm-tests --test vm_machine [SUITE]`. Exit 3 where
//! QEMU, the mirror or a privilege is missing: that says nothing about hapkg.
//! `VM_TEMPLATE=DIR` keeps the template there, or starts from it.

mod vm_machine_support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hapkg::recipe::suite::find;
use hapkg::vm::Error;
use hapkg::vm::accelerator;
use hapkg::vm::image;
use hapkg::vm::machine::Watchdog;
use hapkg::vm::owner::Owner;
use hapkg::vm::template::{Blank, Cluster, Link, Spec, Template};

use vm_machine_support::cold::{formed, peers, shells};
use vm_machine_support::hub::Hub;
use vm_machine_support::power::{fenced, liars};

type Done = Result<(), Box<dyn std::error::Error>>;

/// Started by the test itself, to be killed.
const VICTIM: &str = "--victim";

const SECOND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.as_slice() {
        [word, template, suite] if word == VICTIM => victim(Path::new(template), suite),
        [suite, ..] if !suite.starts_with('-') => whole(suite),
        _ => whole("resolute"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vm_machine: {error}");
            let environment = matches!(error.downcast_ref(), Some(Error::Environment(_)));
            ExitCode::from(if environment { 3 } else { 1 })
        }
    }
}

fn whole(suite: &str) -> Done {
    let owner = Arc::new(Owner::new()?);
    let spec = spec(suite, &owner)?;
    println!("{suite}: {}", spec.accelerator);
    let place = match std::env::var_os("VM_TEMPLATE") {
        Some(dir) => PathBuf::from(dir),
        None => owner.dir().join("template"),
    };
    let template = match Template::open(&place, &spec)? {
        Some(kept) => kept,
        None => frozen(&owner, &spec, &place)?,
    };
    assert!(Template::open(&place, &spec)?.is_some());
    let mut other = spec.clone();
    other.memory += 1;
    assert!(Template::open(&place, &other)?.is_none());
    forks(&owner, &template)?;
    killed(&place, suite)?;
    println!("vm_machine: passed");
    Ok(())
}

fn frozen(
    owner: &Arc<Owner>,
    spec: &Spec,
    place: &Path,
) -> Result<Template, Box<dyn std::error::Error>> {
    let hub = Hub::new(&owner.subdir("hub")?)?;
    let start = Instant::now();
    let cluster = Cluster::boot(owner, "cold", spec, true, &|node, _| hub.port(node))?;
    println!("cold boot: {:.1?}", start.elapsed());
    shells(&cluster)?;
    peers(&cluster)?;
    formed(&cluster)?;
    let start = Instant::now();
    let template = cluster.freeze_to_template(place)?;
    println!("freeze: {:.1?}", start.elapsed());
    Ok(template)
}

fn spec(suite: &str, owner: &Owner) -> Result<Spec, Box<dyn std::error::Error>> {
    let suite = find(suite).ok_or("no such suite")?;
    let image = image::build(suite, &[], &|line| {
        if std::env::var_os("VERBOSE").is_some() {
            eprintln!("{line}");
        }
    })?;
    let accelerator = accelerator::choose(&image.kernel(), owner)?;
    Ok(Spec {
        image,
        accelerator,
        nodes: vec!["alpha".into(), "beta".into()],
        links: vec![Link {
            id: "ring0".into(),
            network: [192, 0, 2, 0].into(),
            prefix: 24,
        }],
        memory: 1024,
        watchdog: Watchdog::Reset,
        disks: vec![Blank {
            id: "data".into(),
            size: 64 << 20,
        }],
        shared: vec![Blank {
            id: "shared".into(),
            size: 16 << 20,
        }],
        bmcs: true,
    })
}

/// A formed cluster does not notice that it was forked.
fn still_formed(fork: &Cluster, began: Duration) -> Done {
    fork.on_all(|node| {
        let shell = node.machine.shell();
        let lost = format!(
            "journalctl -b -u corosync -o cat --since=@{} | grep -E 'processor failed|is down|left|joined' || true",
            began.as_secs()
        );
        assert_eq!(shell.succeed(&lost, 10 * SECOND)?, "");
        let quorum = shell.succeed("corosync-quorumtool -s", 5 * SECOND)?;
        assert!(quorum.contains("Quorate:          Yes"), "{quorum}");
        assert!(quorum.contains("Total votes:      2"), "{quorum}");
        let online = shell.succeed("crm_mon -1", 10 * SECOND)?;
        assert!(online.contains("Online: [ alpha beta ]"), "{online}");
        Ok(())
    })?;
    Ok(())
}

/// Two forks at once: alike where they must be, apart where they must be.
fn forks(owner: &Arc<Owner>, template: &Template) -> Done {
    let hubs = ["hub0", "hub1", "hub2"]
        .map(|name| Hub::new(&owner.subdir(name)?))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let one = template.fork(owner, "f0", &|node, _| hubs[0].port(node))?;
    println!("fork alone: {:.2?}", start.elapsed());
    drop(one);
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let start = Instant::now();
    let forks: Vec<Cluster> = thread::scope(|scope| {
        let running: Vec<_> = hubs[1..]
            .iter()
            .zip(["f1", "f2"])
            .map(|(hub, name)| {
                scope.spawn(move || template.fork(owner, name, &|node, _| hub.port(node)))
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Result<_, _>>()
    })?;
    println!("two forks at once: {:.2?}", start.elapsed());
    let mut random = Vec::new();
    let mut boots = Vec::new();
    for fork in &forks {
        for node in fork.nodes() {
            let shell = node.machine.shell();
            assert_eq!(shell.succeed("hostname", SECOND)?, node.machine.name());
            random.push(shell.succeed("cat /proc/sys/kernel/random/uuid", SECOND)?);
            boots.push(shell.ping(SECOND)?.id);
            let clock: u64 = shell.succeed("date +%s", SECOND)?.parse()?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            assert!(now.abs_diff(clock) <= 2, "clock {clock}, host {now}");
            let paused = format!(
                "journalctl -b -u corosync -o cat --since=@{} | grep -E 'not scheduled|paused' || true",
                began.as_secs()
            );
            assert_eq!(shell.succeed(&paused, 10 * SECOND)?, "");
        }
        peers_answer(fork)?;
    }
    assert_eq!(boots[..2], boots[2..]);
    random.sort();
    random.dedup();
    assert_eq!(random.len(), 4, "forks share their random state");
    rates(&forks[1])?;
    forks
        .iter()
        .try_for_each(|fork| still_formed(fork, began))?;
    fenced(&forks[0], &forks[1])?;
    liars(&forks[1])?;
    let dirs: Vec<PathBuf> = ["f1", "f2"]
        .iter()
        .map(|name| owner.dir().join(name))
        .collect();
    drop(forks);
    assert!(dirs.iter().all(|dir| !dir.exists()));
    println!("forks: same identity, own clock, own random state");
    Ok(())
}

/// A guest's seconds are the host's, or no deadline in it means anything.
fn rates(fork: &Cluster) -> Done {
    for node in fork.nodes() {
        let shell = node.machine.shell();
        let source = "cat /sys/devices/system/clocksource/clocksource0/current_clocksource";
        let (before, start) = (shell.ping(SECOND)?.up, Instant::now());
        let source = shell.succeed(source, SECOND)?;
        thread::sleep(5 * SECOND);
        let (after, host) = (shell.ping(SECOND)?.up, start.elapsed());
        let rate = (after - before).as_secs_f64() / host.as_secs_f64();
        println!(
            "{}: {rate:.3} seconds a second by {source}",
            node.machine.name()
        );
    }
    Ok(())
}

fn peers_answer(fork: &Cluster) -> Done {
    fork.node("alpha")?
        .machine
        .shell()
        .succeed("ping -c 1 -W 5 beta", 10 * SECOND)?;
    Ok(())
}

/// Another process forks the template and is killed: nothing is left.
fn killed(template: &Path, suite: &str) -> Done {
    let mut victim: Child = Command::new(std::env::current_exe()?)
        .args([VICTIM.as_ref(), template.as_os_str(), suite.as_ref()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(victim.stdout.take().ok_or("no stdout")?).lines();
    let dir = PathBuf::from(lines.next().ok_or("the victim said nothing")??);
    let before = users(&dir);
    assert!(
        before.iter().any(|line| line.contains("qemu-system")),
        "{before:?}"
    );
    assert!(
        before.iter().any(|line| line.contains("ipmi_sim")),
        "{before:?}"
    );
    let start = Instant::now();
    victim.kill()?;
    victim.wait()?;
    while dir.exists() || !users(&dir).is_empty() {
        assert!(start.elapsed() < 10 * SECOND, "left: {:?}", users(&dir));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!dir.with_extension("lock").exists());
    println!(
        "SIGKILL of the owner: all gone after {:.2?}",
        start.elapsed()
    );
    Ok(())
}

fn victim(template: &Path, suite: &str) -> Done {
    let owner = Arc::new(Owner::new()?);
    let spec = spec(suite, &owner)?;
    let template = Template::open(template, &spec)?.ok_or("no template")?;
    let hub = Hub::new(&owner.subdir("hub")?)?;
    let _fork = template.fork(&owner, "f", &|node, _| hub.port(node))?;
    println!("{}", owner.dir().display());
    loop {
        thread::park();
    }
}

/// Command lines of processes that name the directory.
fn users(dir: &Path) -> Vec<String> {
    let own = std::process::id().to_string();
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    all.filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy() != own)
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&*dir.to_string_lossy()))
        .collect()
}
