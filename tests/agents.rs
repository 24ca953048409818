//! The OCF agents against a stub of Eucalyptus: every action, every return
//! code of OCF 1.1 that it may give.

mod agents_support;
#[path = "agents/modes.rs"]
mod modes;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agents_support::*;

/// Agents of the parts that share one Java process.
const JVM: [&str; 3] = ["eucaclc", "eucasc", "eucawalrus"];

/// Actions of OCF that these agents do not offer.
const UNIMPLEMENTED_ACTIONS: [&str; 7] = [
    "promote",
    "demote",
    "notify",
    "migrate_to",
    "migrate_from",
    "reload",
    "reload-agent",
];

#[test]
fn the_agents_are_clean_posix_shell() {
    let mut files: Vec<_> = AGENTS.iter().map(|name| agents().join(name)).collect();
    files.push(agents().join("euca-common"));
    files.push(agents().join("euca-jvm"));
    files.push(stub().join("init"));
    for file in &files {
        let dash = Command::new("dash").arg("-n").arg(file).status().unwrap();
        assert!(dash.success(), "{}", file.display());
    }
    let shellcheck = Command::new("shellcheck")
        .args(["-x", "-s", "sh"])
        .args(&files)
        .status()
        .unwrap();
    assert!(shellcheck.success());
}

#[test]
fn meta_data_is_valid_and_its_times_have_units() {
    let host = Host::passive();
    let schema = "/usr/share/resource-agents/metadata.rng";
    for agent in AGENTS {
        let output = host.command(agent, "meta-data").output().unwrap();
        assert_eq!(output.status.code(), Some(OK), "{agent}");
        let text = String::from_utf8(output.stdout).unwrap();
        let file = host.root().join(agent);
        fs::write(&file, &text).unwrap();
        let valid = Command::new("xmllint")
            .args(["--noout", "--nonet", "--relaxng", schema])
            .arg(&file)
            .output()
            .unwrap();
        assert!(valid.status.success(), "{agent}: {valid:?}");
        assert!(text.contains(&format!("<resource-agent name=\"{agent}\"")));
        assert!(text.contains("<version>1.1</version>"));
        assert!(!text.contains(host.root().to_str().unwrap()), "{text}");
        let times: Vec<&str> = text
            .split(['<', '>', ' ', '/'])
            .filter_map(|word| word.split_once("=\""))
            .filter(|(name, _)| ["timeout", "interval"].contains(name))
            .map(|(_, value)| value.trim_end_matches('"'))
            .collect();
        assert!(times.len() > 7, "{times:?}");
        assert!(times.iter().all(|time| time.ends_with('s')), "{times:?}");
        for action in ["start", "stop", "monitor", "meta-data", "validate-all"] {
            assert!(text.contains(&format!("<action name=\"{action}\"")));
        }
    }
}

#[test]
fn an_unknown_action_is_unimplemented() {
    let host = Host::passive();
    for agent in AGENTS {
        for action in UNIMPLEMENTED_ACTIONS {
            assert_eq!(host.run(agent, action), UNIMPLEMENTED, "{agent} {action}");
        }
        assert_eq!(host.run(agent, "usage"), OK);
    }
}

#[test]
fn validate_all_looks_at_the_host_only_when_asked_to() {
    let host = Host::passive();
    let installed = Host::new();
    for agent in AGENTS {
        assert_eq!(host.run(agent, "validate-all"), OK);
        let mut deeper = host.command(agent, "validate-all");
        deeper.env("OCF_CHECK_LEVEL", "10");
        assert_eq!(code(deeper), INSTALLED);
        let mut deeper = installed.command(agent, "validate-all");
        deeper.env("OCF_CHECK_LEVEL", "10");
        assert_eq!(code(deeper), OK);
    }
}

#[test]
fn a_wrong_parameter_is_a_fault_of_the_configuration() {
    let host = Host::new();
    for agent in AGENTS {
        let url = match agent {
            "eucacc" => "OCF_RESKEY_services_url",
            _ => "OCF_RESKEY_status_url",
        };
        for (name, value) in [
            ("OCF_RESKEY_root", "srv"),
            ("OCF_RESKEY_root", ""),
            ("OCF_RESKEY_script", "eucalyptus-cloud"),
            ("OCF_RESKEY_request_timeout", "20s"),
            ("OCF_RESKEY_request_timeout", "0"),
            (url, "127.0.0.1:8773"),
        ] {
            for action in ["validate-all", "start", "monitor"] {
                let mut command = host.command(agent, action);
                command.env(name, value);
                assert_eq!(code(command), CONFIGURED, "{agent} {action} {name}={value}");
            }
        }
    }
    for agent in JVM {
        let mut command = host.command(agent, "validate-all");
        command.env("OCF_RESKEY_extra_services", "walrus clc");
        assert_eq!(code(command), CONFIGURED);
    }
    assert_eq!(host.calls(), "");
}

#[test]
fn a_passive_node_without_mount_and_binary_runs_nothing() {
    let host = Host::passive();
    for agent in AGENTS {
        assert_eq!(host.probe(agent), NOT_RUNNING);
        for depth in [0, 10, 20] {
            assert_eq!(host.monitor(agent, depth), NOT_RUNNING);
        }
        assert_eq!(host.run(agent, "stop"), OK);
    }
}

#[test]
fn a_start_says_what_the_node_lacks() {
    let bare = Host::passive();
    let unmounted = Host::new();
    fs::remove_dir_all(unmounted.root().join("var/lib/eucalyptus")).unwrap();
    for agent in AGENTS {
        assert_eq!(bare.run(agent, "start"), INSTALLED);
        assert_eq!(unmounted.run(agent, "start"), GENERIC);
    }
    assert_eq!(unmounted.calls(), "");
}

#[test]
fn each_agent_starts_watches_and_stops_its_part() {
    for agent in AGENTS {
        let host = Host::new();
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!(host.probe(agent), OK, "{agent}");
        for depth in [0, 10, 20] {
            assert_eq!(host.monitor(agent, depth), OK, "{agent} {depth}");
        }
        let (pid, child) = (host.pid(), host.child());
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!((host.pid(), host.calls().as_str()), (pid, "start\n"));
        let made = match agent {
            "eucawalrus" => "bukkits",
            "eucasc" => "volumes",
            "eucacc" => "CC",
            _ => "keys",
        };
        let made = host.root().join("var/lib/eucalyptus").join(made);
        assert!(made.is_dir(), "{agent}");

        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        assert!(!is_alive(pid) && !is_alive(child), "{agent}");
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
        assert_eq!(host.monitor(agent, 20), NOT_RUNNING, "{agent}");
        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        // The Cluster Controller's cleanstop would throw its state away.
        assert_eq!(host.calls(), "start\nstop\n", "{agent}");
    }
}

#[test]
fn a_start_returns_when_the_part_is_usable() {
    let host = Host::new();
    host.set("slow", "2");
    let begin = Instant::now();
    assert_eq!(host.run("eucaclc", "start"), OK);
    assert!(begin.elapsed() >= Duration::from_secs(2));
    assert_eq!(host.monitor("eucaclc", 20), OK);
}

#[test]
fn a_daemon_that_dies_while_starting_fails_the_start() {
    for agent in AGENTS {
        let host = Host::new();
        host.set("die-on-start", "");
        assert_eq!(host.run(agent, "start"), GENERIC, "{agent}");
        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        assert_eq!(host.probe(agent), NOT_RUNNING, "{agent}");
    }
}

#[test]
fn a_killed_daemon_is_not_running() {
    for agent in AGENTS {
        let host = Host::new();
        assert_eq!(host.run(agent, "start"), OK);
        signal(host.pid(), "KILL");
        eventually("the daemon is gone", || !is_alive(host.pid()));
        // What answers still does, without anybody to watch over it.
        assert_eq!(host.monitor(agent, 20), OK, "{agent}");
        signal(host.child(), "KILL");
        eventually("nothing is left", || host.processes().is_empty());
        assert_eq!(host.monitor(agent, 0), NOT_RUNNING, "{agent}");
        assert_eq!(host.run(agent, "start"), OK, "{agent}");
        assert_eq!(host.monitor(agent, 20), OK, "{agent}");
    }
}

#[test]
fn each_depth_of_a_monitor_sees_more() {
    for agent in AGENTS {
        let host = Host::new();
        assert_eq!(host.run(agent, "start"), OK);
        host.set("sick", "");
        assert_eq!(host.monitor(agent, 10), OK, "{agent}");
        assert_eq!(host.monitor(agent, 20), GENERIC, "{agent}");
        host.set("disabled", "");
        let hung = if agent == "eucacc" { OK } else { GENERIC };
        assert_eq!(host.monitor(agent, 10), hung, "{agent}");
        // Nothing listens any more, but the process is there.
        let mut command = host.command(agent, "monitor");
        let nowhere = "http://127.0.0.1:9/";
        command.env("OCF_RESKEY_heartbeat_url", nowhere);
        command.env("OCF_RESKEY_services_url", nowhere);
        command.env("OCF_CHECK_LEVEL", "10");
        assert_eq!(code(command), GENERIC, "{agent}");
        assert_eq!(host.monitor(agent, 0), OK, "{agent}");
    }
}

#[test]
fn a_stop_is_by_force_if_it_must() {
    for agent in AGENTS {
        let host = Host::new();
        host.set("hang-stop", "");
        host.set("lie", "");
        assert_eq!(host.run(agent, "start"), OK);
        let (pid, child) = (host.pid(), host.child());
        let begin = Instant::now();
        assert_eq!(host.run(agent, "stop"), OK);
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert!(!is_alive(pid) && !is_alive(child), "{agent}");
        assert_eq!(host.probe(agent), NOT_RUNNING);
    }
}

#[test]
fn a_stop_needs_no_init_script() {
    let host = Host::new();
    assert_eq!(host.run("eucaclc", "start"), OK);
    let pid = host.pid();
    fs::remove_file(host.script("eucalyptus-cloud")).unwrap();
    assert_eq!(host.run("eucaclc", "stop"), OK);
    assert!(!is_alive(pid));
}

#[test]
fn a_lost_pid_file_hides_nothing() {
    for agent in AGENTS {
        let host = Host::new();
        assert_eq!(host.run(agent, "start"), OK);
        let pid = host.pid();
        let run = host.root().join("var/run/eucalyptus");
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(host.monitor(agent, 20), OK, "{agent}");
        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        assert!(!is_alive(pid), "{agent}");
    }
}

/// Nobody has seen this child: its parent died before a monitor came by.
#[test]
fn a_child_without_its_parent_is_seen_and_stopped() {
    for (agent, name) in [("eucaclc", "eucalyptus-cloud"), ("eucacc", "eucalyptus-cc")] {
        let host = Host::new();
        fs::write(host.root().join("var/lib/eucalyptus/services"), "cloud\n").unwrap();
        host.by_hand(name, "start");
        eventually("the stub is up", || host.monitor(agent, 20) == OK);
        signal(host.pid(), "KILL");
        eventually("the parent is gone", || !is_alive(host.pid()));
        assert_eq!(host.probe(agent), OK, "{agent}");
        assert_eq!(host.run(agent, "stop"), OK, "{agent}");
        assert_eq!(host.processes(), [], "{agent}");
    }
}

#[test]
fn a_pid_file_of_yesterday_names_nobody() {
    for (agent, name) in [("eucaclc", "eucalyptus-cloud"), ("eucacc", "eucalyptus-cc")] {
        let host = Host::new();
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfile = host.root().join(format!("var/run/eucalyptus/{name}.pid"));
        fs::create_dir_all(pidfile.parent().unwrap()).unwrap();
        fs::write(pidfile, format!("{}\n", other.id())).unwrap();
        fs::write(host.root().join("var/lib/eucalyptus/services"), "cloud\n").unwrap();
        assert_eq!(host.probe(agent), NOT_RUNNING);
        assert_eq!(host.run(agent, "stop"), OK);
        assert!(is_alive(other.id()), "{agent} killed another process");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

#[test]
fn a_daemon_that_was_started_by_hand_is_seen_and_stopped() {
    let host = Host::new();
    fs::write(host.root().join("var/lib/eucalyptus/services"), "cloud\n").unwrap();
    host.by_hand("eucalyptus-cloud", "start");
    eventually("the stub is up", || host.monitor("eucaclc", 20) == OK);
    assert_eq!(host.probe("eucaclc"), OK);
    assert_eq!(host.probe("eucawalrus"), NOT_RUNNING);
    assert_eq!(host.run("eucaclc", "stop"), OK);
    assert!(!is_alive(host.pid()));
}

#[test]
fn parts_join_and_leave_the_one_process() {
    let host = Host::new();
    assert_eq!(host.run("eucaclc", "start"), OK);
    let alone = host.pid();
    assert_eq!(host.services(), "cloud\n");

    assert_eq!(host.run("eucawalrus", "start"), OK);
    assert_ne!(host.pid(), alone);
    assert_eq!(host.services(), "cloud\nwalrus\n");
    for agent in ["eucaclc", "eucawalrus"] {
        assert_eq!(host.monitor(agent, 20), OK, "{agent}");
    }
    assert_eq!(host.probe("eucasc"), NOT_RUNNING);

    assert_eq!(host.run("eucawalrus", "stop"), OK);
    assert_eq!(host.probe("eucawalrus"), NOT_RUNNING);
    eventually("the process is back", || host.monitor("eucaclc", 20) == OK);
    assert_eq!(host.services(), "cloud\n");
    assert_eq!(host.run("eucaclc", "stop"), OK);
    assert!(!is_alive(host.pid()));
    assert_eq!(host.services(), "");
}

#[test]
fn a_monitor_bears_with_a_restart_for_another_part() {
    let host = Host::new();
    assert_eq!(host.run("eucaclc", "start"), OK);
    let before = host.pid();
    host.set("slow", "3");
    let mut start = host.begin("eucawalrus", "start");
    eventually("the old process is gone", || !is_alive(before));
    while start.try_wait().unwrap().is_none() {
        for depth in [0, 10, 20] {
            assert_eq!(host.monitor("eucaclc", depth), OK, "{depth}");
        }
    }
    assert_ne!(host.pid(), before);
    assert_eq!(host.monitor("eucaclc", 10), OK);
    // Once it has answered, there is nothing left to bear with.
    assert!(!host.state().join("restart.cloud").exists());
    signal(host.pid(), "KILL");
    eventually("the daemon is gone", || !is_alive(host.pid()));
    signal(host.child(), "KILL");
    eventually("nothing is left", || host.processes().is_empty());
    assert_eq!(host.monitor("eucaclc", 0), NOT_RUNNING);
}

#[test]
fn a_restart_that_fails_is_not_borne_with_for_ever() {
    let host = Host::new();
    assert_eq!(host.run("eucaclc", "start"), OK);
    assert_eq!(host.run("eucawalrus", "start"), OK);
    host.set("die-on-start", "");
    assert_eq!(host.run("eucawalrus", "stop"), OK);
    assert_eq!(host.monitor("eucaclc", 0), OK);
    eventually("the restart has failed", || {
        host.probe("eucaclc") == NOT_RUNNING
    });
    fs::write(host.state().join("restart.cloud"), "1 2\n").unwrap();
    assert_eq!(host.monitor("eucaclc", 0), NOT_RUNNING);
}

#[test]
fn only_parts_that_this_node_runs_are_in_the_services_file() {
    let host = Host::new();
    let services = host.root().join("var/lib/eucalyptus/services");
    fs::write(&services, "cloud\nwalrus\nsc\n").unwrap();
    let mut start = host.command("eucaclc", "start");
    start.env("OCF_RESKEY_extra_services", "sc");
    assert_eq!(code(start), OK);
    assert_eq!(host.services(), "cloud\nsc\n");
    assert_eq!(host.probe("eucawalrus"), NOT_RUNNING);
}

#[test]
fn a_stop_waits_for_nobodys_start() {
    let host = Host::new();
    host.set("slow", "30");
    let mut start = host.begin("eucaclc", "start");
    eventually("the daemon is being started", || {
        !host.processes().is_empty()
    });
    let begin = Instant::now();
    assert_eq!(host.run("eucawalrus", "stop"), OK);
    assert_eq!(host.run("eucaclc", "stop"), OK);
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(start.wait().unwrap().code(), Some(GENERIC));
    assert_eq!(host.probe("eucaclc"), NOT_RUNNING);
}

#[test]
fn a_lock_that_is_never_released_delays_a_stop_and_no_more() {
    let host = Host::new();
    assert_eq!(host.run("eucaclc", "start"), OK);
    let mut holder = Command::new("flock")
        .arg(host.state().join("lock"))
        .args(["sh", "-c", "echo locked; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(holder.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    let mut stop = host.command("eucaclc", "stop");
    stop.env("OCF_RESKEY_CRM_meta_timeout", "5000");
    let begin = Instant::now();
    assert_eq!(code(stop), OK);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert!(!is_alive(host.pid()));
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn ocf_tester_finds_nothing() {
    // It looks whether everybody may run them, wherever the checkout lies.
    let place = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    for entry in fs::read_dir(agents()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    for agent in AGENTS {
        let host = Host::new();
        let like = host.command(agent, "monitor");
        let mut tester = Command::new("ocf-tester");
        tester.env_clear().args(["-n", agent]);
        for (name, value) in like.get_envs() {
            let (name, value) = (name.to_str().unwrap(), value.unwrap().to_str().unwrap());
            match name.strip_prefix("OCF_RESKEY_") {
                Some(name) if !name.starts_with("CRM_") => {
                    tester.args(["-o", &format!("{name}={value}")]);
                }
                _ => {
                    tester.env(name, value);
                }
            }
        }
        tester.env("EUCA_LIB", place.path());
        let output = tester.arg(place.path().join(agent)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_string();
        assert!(output.status.success(), "{agent}: {text}{output:?}");
        assert!(text.contains("passed all tests"), "{agent}: {text}");
        eprintln!("{text}");
    }
}
