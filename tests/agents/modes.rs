//! Every action of every agent in every mode of the stub.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::agents_support::*;
use super::{JVM, UNIMPLEMENTED_ACTIONS};

/// Pacemaker's timeout of every operation here.
const ALLOWED: Duration = Duration::from_secs(20);

/// What an agent's monitors give at the depths 0, 10 and 20.
type Depths = [i32; 3];

const GOOD: Depths = [OK; 3];
const GONE: Depths = [NOT_RUNNING; 3];

/// Runs `check` for all agents at once, each on a host of its own.
fn each_agent(check: impl Fn(&Host, &str) + Sync) {
    thread::scope(|scope| {
        for agent in AGENTS {
            let check = &check;
            scope.spawn(move || check(&Host::new(), agent));
        }
    });
}

fn monitors(host: &Host, agent: &str) -> Depths {
    [0, 10, 20].map(|depth| {
        let mut command = host.command(agent, "monitor");
        command
            .env("OCF_CHECK_LEVEL", depth.to_string())
            .env("OCF_RESKEY_request_timeout", "2");
        code(command)
    })
}

/// Actions that no mode of the daemon concerns.
fn other_actions(host: &Host, agent: &str) {
    assert_eq!(host.run(agent, "validate-all"), OK, "{agent}");
    assert_eq!(host.run(agent, "meta-data"), OK, "{agent}");
    for action in UNIMPLEMENTED_ACTIONS {
        assert_eq!(host.run(agent, action), UNIMPLEMENTED, "{agent} {action}");
    }
}

/// A stop within pacemaker's timeout leaves nothing, and so does another one.
fn stops(host: &Host, agent: &str) {
    for _ in 0..2 {
        let begin = Instant::now();
        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        assert!(begin.elapsed() < ALLOWED, "{agent}: {:?}", begin.elapsed());
        assert_eq!(host.processes(), [], "{agent}");
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
        assert_eq!(monitors(host, agent), GONE, "{agent}");
    }
}

/// All actions with the mode on from the beginning; once it is off, all is well.
fn mode_before_start(mode: &str, value: &str, start: i32, depths: Depths) {
    each_agent(|host, agent| {
        host.set(mode, value);
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
        assert_eq!(monitors(host, agent), GONE, "{agent}");
        assert_eq!(host.run(agent, "start"), start, "{agent}");
        assert_eq!(host.probe(agent), depths[0], "{agent}");
        assert_eq!(monitors(host, agent), depths, "{agent}");
        other_actions(host, agent);
        if start == OK {
            let before = host.processes();
            assert_eq!(host.run(agent, "start"), OK, "{agent}");
            assert_eq!(host.processes(), before, "{agent}");
        }
        stops(host, agent);
        host.unset(mode);
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!(monitors(host, agent), GOOD, "{agent}");
    });
}

/// All actions with the mode on since the daemon is up; `jvm` and `cc` are what
/// the agents of the two daemons see.
fn mode_after_start(mode: &str, jvm: Depths, cc: Depths) {
    each_agent(|host, agent| {
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        host.set(mode, "");
        let depths = if JVM.contains(&agent) { jvm } else { cc };
        if depths == GONE {
            eventually("the daemon ends", || host.processes().is_empty());
        }
        assert_eq!(monitors(host, agent), depths, "{agent}");
        assert_eq!(host.probe(agent), depths[0], "{agent}");
        other_actions(host, agent);
        stops(host, agent);
        host.unset(mode);
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!(monitors(host, agent), GOOD, "{agent}");
    });
}

#[test]
fn slow() {
    mode_before_start("slow", "3", OK, GOOD);
}

#[test]
fn lying() {
    mode_before_start("lie", "", OK, GOOD);
}

#[test]
fn not_stopping() {
    mode_before_start("hang-stop", "", OK, GOOD);
}

#[test]
fn dying_at_start() {
    mode_before_start("die-on-start", "", GENERIC, GONE);
}

#[test]
fn crashing_while_starting() {
    mode_before_start("crash", "0", GENERIC, GONE);
}

#[test]
fn crashing_later() {
    mode_after_start("crash", GONE, GONE);
}

#[test]
fn hanging_later() {
    let hung = [OK, GENERIC, GENERIC];
    mode_after_start("hang", hung, hung);
}

#[test]
fn without_its_own_page() {
    let sick = [OK, OK, GENERIC];
    mode_after_start("sick", sick, sick);
}

#[test]
fn disabled() {
    mode_after_start("disabled", [OK, GENERIC, GENERIC], GOOD);
}

/// A start that never becomes usable goes on until pacemaker ends it; the stop
/// that pacemaker asks for then leaves nothing.
#[test]
fn hanging_from_the_beginning() {
    each_agent(|host, agent| {
        host.set("hang", "");
        let mut command = Command::new("timeout");
        let start = host.command(agent, "start");
        command
            .env_clear()
            .envs(
                start
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("OCF_RESKEY_request_timeout", "1")
            .args(["--signal", "KILL", "4"])
            .arg(start.get_program())
            .args(start.get_args());
        // 137: timeout had to end it.
        let status = command.status().unwrap();
        assert!(
            !matches!(status.code(), Some(OK | GENERIC)),
            "{agent}: {status}"
        );
        assert_eq!(monitors(host, agent), [OK, GENERIC, GENERIC], "{agent}");
        stops(host, agent);
        host.unset("hang");
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
    });
}

/// A second daemon beside a living one, whatever the init script would do.
#[test]
fn a_lost_pid_file_starts_no_second_daemon() {
    each_agent(|host, agent| {
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        let before = host.processes();
        std::fs::remove_dir_all(host.root().join("var/run/eucalyptus")).unwrap();
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!(host.processes(), before, "{agent}");
        stops(host, agent);
    });
}

/// The lock of a host: whatever comes at once happens one after the other.
#[test]
fn parts_started_and_stopped_at_once() {
    let host = Host::new();
    let at_once = |action: &str| {
        let children = JVM.map(|agent| host.begin(agent, action));
        for (agent, mut child) in JVM.into_iter().zip(children) {
            assert_eq!(child.wait().unwrap().code(), Some(OK), "{agent} {action}");
        }
    };
    at_once("start");
    for agent in JVM {
        eventually(agent, || monitors(&host, agent) == GOOD);
    }
    assert_eq!(host.services(), "cloud\nsc\nwalrus\n");
    assert_eq!(host.processes().len(), 2);
    at_once("stop");
    eventually("nothing is left", || host.processes().is_empty());
    assert_eq!(host.services(), "");
    for agent in JVM {
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
    }
}
