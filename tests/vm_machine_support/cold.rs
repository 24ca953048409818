//! A cluster that was just booted: its shells, its peers, its corosync.

use std::thread;
use std::time::Instant;

use hapkg::vm::Error;
use hapkg::vm::template::Cluster;

use crate::{Done, SECOND};

/// What a shell is for.
pub fn shells(cluster: &Cluster) -> Done {
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
pub fn peers(cluster: &Cluster) -> Done {
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
pub fn formed(cluster: &Cluster) -> Done {
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
