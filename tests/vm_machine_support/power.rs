//! Power: fencing, BMCs that misbehave, reboots.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use hapkg::vm::Error;
use hapkg::vm::bmc::{Behaviour, PASSWORD, USER};
use hapkg::vm::template::Cluster;

use crate::{Done, SECOND};

/// The real fence_ipmilan in a guest, and the real ipmitool on the host.
pub fn fenced(fork: &Cluster, other: &Cluster) -> Done {
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

pub fn liars(fork: &Cluster) -> Done {
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
