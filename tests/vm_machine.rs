//! Machines for real: an image is made and booted, its cluster frozen, forked
//! twice at once, fenced by its BMCs, and killed with its owner.
//!
//! `cargo test --features vm-tests --test vm_machine [SUITE]`. Exit 3 where
//! QEMU, the mirror or a privilege is missing: that says nothing about hapkg.
//! `VM_TEMPLATE=DIR` keeps the template there, or starts from it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hapkg::recipe::suite::find;
use hapkg::vm::Error;
use hapkg::vm::accelerator;
use hapkg::vm::bmc::{Behaviour, PASSWORD, USER};
use hapkg::vm::image;
use hapkg::vm::machine::Watchdog;
use hapkg::vm::owner::Owner;
use hapkg::vm::template::{Blank, Cluster, Link, Spec, Template};

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
        append: String::new(),
    })
}

/// What a shell is for.
fn shells(cluster: &Cluster) -> Done {
    let shell = cluster.node("alpha")?.machine.shell();
    assert_eq!(shell.succeed("hostname", SECOND)?, "alpha");
    assert_eq!(shell.succeed("id -u; pwd", SECOND)?, "0\n/root");
    let output = shell.script("echo out; echo err >&2; exit 7", SECOND)?;
    assert_eq!(
        (output.status, output.text(), output.errors()),
        (7, "out".into(), "err".into())
    );
    assert_eq!(shell.run(&["/no/such"], SECOND)?.status, 127);
    assert_eq!(shell.script("kill -9 $$", SECOND)?.status, 137);
    assert_eq!(shell.feed(&["cat"], b"in\0put", SECOND)?.stdout, b"in\0put");
    let start = Instant::now();
    let late = shell.run(&["sleep", "1000"], SECOND / 2);
    assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
    assert!(start.elapsed() < 30 * SECOND);
    // A daemon left behind keeps nobody waiting.
    shell.succeed("sleep 1000 & echo $!", 2 * SECOND)?;
    let data: Vec<u8> = (0..3_000_000_u32)
        .flat_map(u32::to_le_bytes)
        .take(2_500_000)
        .collect();
    shell.push(&data, "/srv/deep/file", 0o640)?;
    assert_eq!(shell.pull("/srv/deep/file")?, data);
    assert_eq!(
        shell.succeed("stat -c %a:%s /srv/deep/file", SECOND)?,
        "640:2500000"
    );
    assert!(matches!(shell.pull("/no/such"), Err(Error::Guest(_))));
    // Two at once: the long one does not hold the short one up.
    thread::scope(|scope| -> Done {
        let long = scope.spawn(|| shell.run(&["sleep", "5"], 10 * SECOND));
        thread::sleep(SECOND / 5);
        shell.run(&["true"], SECOND)?;
        assert!(!long.is_finished());
        assert!(long.join().unwrap()?.success());
        Ok(())
    })?;
    println!("shell: commands, streams, timeouts and files");
    Ok(())
}

/// Names, addresses, disks, and a clean console.
fn peers(cluster: &Cluster) -> Done {
    let states = cluster.on_all(|node| node.machine.shell().wait_booted(120 * SECOND))?;
    assert_eq!(states, ["running", "running"]);
    cluster.on_all(|node| {
        let shell = node.machine.shell();
        shell.succeed("ping -c 1 -W 5 alpha && ping -c 1 -W 5 beta", 10 * SECOND)?;
        shell.succeed(
            "cd /dev/disk/by-id && test -b virtio-data && test -b virtio-shared",
            SECOND,
        )?;
        shell.succeed("test -c /dev/watchdog0 && udevadm settle", 5 * SECOND)?;
        assert_eq!(node.machine.alarms()?, []);
        Ok(())
    })?;
    let (alpha, beta) = (cluster.node("alpha")?, cluster.node("beta")?);
    let shared = "/dev/disk/by-id/virtio-shared";
    let write = format!("echo common >{shared}; sync");
    alpha.machine.shell().succeed(&write, 5 * SECOND)?;
    let read = format!("blockdev --flushbufs {shared}; head -c 6 {shared}");
    assert_eq!(beta.machine.shell().succeed(&read, 5 * SECOND)?, "common");
    // A carrier that goes is seen, and comes back.
    let carrier = "cat /sys/class/net/enp0s8/carrier";
    alpha.machine.link("ring0", false)?;
    assert_eq!(
        alpha
            .machine
            .shell()
            .succeed(&format!("sleep 1; {carrier}"), 5 * SECOND)?,
        "0"
    );
    alpha.machine.link("ring0", true)?;
    assert_eq!(
        alpha
            .machine
            .shell()
            .succeed(&format!("sleep 1; {carrier}"), 5 * SECOND)?,
        "1"
    );
    println!("peers: names, addresses, disks, carrier");
    Ok(())
}

const COROSYNC: &str = "\
totem {
    version: 2
    cluster_name: forks
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
}
nodelist {
    node {
        ring0_addr: 192.0.2.11
        name: alpha
        nodeid: 1
    }
    node {
        ring0_addr: 192.0.2.12
        name: beta
        nodeid: 2
    }
}
quorum {
    provider: corosync_votequorum
    two_node: 1
}
logging {
    to_syslog: yes
}
";

/// Corosync and pacemaker of both nodes, as one cluster.
fn formed(cluster: &Cluster) -> Done {
    let start = Instant::now();
    let key: Vec<u8> = (0..=255).collect();
    cluster.on_all(|node| {
        let shell = node.machine.shell();
        shell.push(COROSYNC.as_bytes(), "/etc/corosync/corosync.conf", 0o644)?;
        shell.push(&key, "/etc/corosync/authkey", 0o400)?;
        shell.succeed("systemctl restart corosync pacemaker", 60 * SECOND)?;
        let online = "until crm_mon -1 | grep -q 'Online: \\[ alpha beta \\]'; do sleep 1; done";
        shell.succeed(online, 120 * SECOND)
    })?;
    println!("corosync and pacemaker formed: {:.1?}", start.elapsed());
    Ok(())
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

/// The real fence_ipmilan in a guest, and the real ipmitool on the host.
fn fenced(fork: &Cluster, other: &Cluster) -> Done {
    let (alpha, beta) = (fork.node("alpha")?, fork.node("beta")?);
    let boot = alpha.machine.shell().ping(SECOND)?;
    let agent = format!(
        "fence_ipmilan -a {} -l {USER} -p {PASSWORD} -P -L ADMINISTRATOR",
        fork.spec().bmc_address(0)
    );
    let shell = beta.machine.shell();
    let status = shell.succeed(&format!("{agent} -o status"), 20 * SECOND)?;
    assert!(status.contains("ON"), "{status}");
    let start = Instant::now();
    shell.succeed(&format!("{agent} -o off"), 30 * SECOND)?;
    println!("fence_ipmilan -o off: {:.1?}", start.elapsed());
    assert!(!alpha.machine.is_on());
    assert!(matches!(
        alpha.machine.shell().ping(SECOND),
        Err(Error::Off(_))
    ));
    assert!(
        other.node("alpha")?.machine.is_on(),
        "the other fork's alpha was fenced"
    );
    let bmc = alpha.bmc.as_ref().ok_or("no BMC")?;
    assert!(
        bmc.calls()
            .iter()
            .any(|call| call.words.contains("set power 0")),
        "{:?}",
        bmc.calls()
    );
    assert!(ipmitool(bmc.port(), "status")?.contains("off"));
    ipmitool(bmc.port(), "on")?;
    let start = Instant::now();
    let again = alpha.machine.shell().wait(60 * SECOND)?;
    println!("power on by ipmitool, cold: {:.1?}", start.elapsed());
    assert_ne!(boot.id, again.id);
    assert_eq!(
        alpha
            .machine
            .shell()
            .succeed("hostname; cat /srv/deep/file | wc -c", 5 * SECOND)?,
        "alpha\n2500000"
    );
    alpha.machine.reset()?;
    let until = Instant::now() + 300 * SECOND;
    while alpha.machine.shell().wait(60 * SECOND)?.id == again.id {
        assert!(Instant::now() < until, "no other boot after a reset");
    }
    // A shutdown from inside ends QEMU: no power.
    alpha
        .machine
        .shell()
        .run(&["systemctl", "poweroff", "--force"], 5 * SECOND)
        .ok();
    alpha.machine.wait_off(60 * SECOND)?;
    assert!(ipmitool(bmc.port(), "status")?.contains("off"));
    Ok(())
}

fn liars(fork: &Cluster) -> Done {
    let alpha = fork.node("alpha")?;
    let bmc = alpha.bmc.as_ref().ok_or("no BMC")?;
    bmc.behave(Behaviour::Refuse);
    assert!(ipmitool(bmc.port(), "off").is_err());
    bmc.behave(Behaviour::Lie);
    ipmitool(bmc.port(), "off")?;
    assert!(ipmitool(bmc.port(), "status")?.contains("off"));
    assert!(alpha.machine.is_on());
    bmc.behave(Behaviour::Hang);
    assert!(ipmitool(bmc.port(), "status").is_err());
    bmc.behave(Behaviour::Honest);
    assert!(ipmitool(bmc.port(), "status")?.contains("on"));
    alpha.machine.freeze()?;
    assert!(matches!(
        alpha.machine.shell().ping(SECOND / 5),
        Err(Error::Timeout(_))
    ));
    alpha.machine.thaw()?;
    alpha.machine.shell().ping(10 * SECOND)?;
    rebooted(fork)?;
    println!("bmc: refuses, lies, hangs; machine freezes");
    Ok(())
}

/// A fork's RAM is only borrowed, and yet it boots anew in it.
fn rebooted(fork: &Cluster) -> Done {
    let shell = fork.node("beta")?.machine.shell();
    let before = shell.ping(10 * SECOND)?;
    shell
        .run(&["systemctl", "reboot", "--force"], 10 * SECOND)
        .ok();
    let until = Instant::now() + 300 * SECOND;
    while shell.wait(60 * SECOND)?.id == before.id {
        assert!(Instant::now() < until, "no other boot");
        thread::sleep(SECOND / 10);
    }
    assert_eq!(shell.succeed("hostname", SECOND)?, "beta");
    Ok(())
}

fn ipmitool(port: u16, what: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new("ipmitool")
        .args([
            "-I",
            "lanplus",
            "-C",
            "3",
            "-H",
            "127.0.0.1",
            "-N",
            "1",
            "-R",
            "2",
        ])
        .args(["-p", &port.to_string(), "-U", USER, "-P", PASSWORD])
        .args(["chassis", "power", what])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::program("ipmitool", &e))?;
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!(
        "ipmitool {what}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
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

/// The simplest wire between machines: what one sends, all others get.
struct Hub {
    dir: PathBuf,
    ports: Arc<Mutex<Vec<(String, UnixStream)>>>,
}

impl Hub {
    fn new(dir: &Path) -> Result<Hub, Error> {
        Ok(Hub {
            dir: dir.to_path_buf(),
            ports: Arc::default(),
        })
    }

    fn port(&self, node: &str) -> Result<PathBuf, Error> {
        let path = self.dir.join(node);
        let listener = UnixListener::bind(&path)
            .map_err(|e| Error::Environment(format!("{}: {e}", path.display())))?;
        let (ports, node) = (Arc::clone(&self.ports), node.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(other) = stream.try_clone() else {
                    return;
                };
                let mut all = ports.lock().unwrap();
                all.retain(|(name, _)| *name != node);
                all.push((node.clone(), other));
                drop(all);
                relay(stream, &node, &ports);
            }
        });
        Ok(path)
    }
}

fn relay(mut stream: UnixStream, node: &str, ports: &Mutex<Vec<(String, UnixStream)>>) {
    let mut head = [0; 4];
    while stream.read_exact(&mut head).is_ok() {
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        for (name, port) in ports.lock().unwrap().iter_mut() {
            if name != node {
                let _ = port.write_all(&[&head, frame.as_slice()].concat());
            }
        }
    }
}
