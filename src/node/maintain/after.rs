//! What pacemaker would do if maintenance ended now, or a node stood by:
//! crm_simulate(8) on the live CIB.

use std::time::Duration;

use crate::cluster::simulate::lost_by_standby;
use crate::node::host::Host;
use crate::node::live;
use crate::node::problem::Failure;
use crate::node::scheduler;

const LIMIT: Duration = Duration::from_secs(60);

/// Actions that interrupt a service.
const INTERRUPTS: [&str; 7] = [
    "Stop", "Move", "Restart", "Demote", "Recover", "Migrate", "Fence",
];

/// The lines of the transition's summary that interrupt something, such as
/// `Move vip-ip ( alpha -> beta )`. Empty where crm_simulate is not installed.
///
/// # Errors
/// crm_simulate or cibadmin hangs.
pub fn interruptions(host: &Host) -> Result<Vec<String>, Failure> {
    let Some(cib) = live::cib(host)? else {
        return Ok(Vec::new());
    };
    if host.program("crm_simulate").is_none() {
        return Ok(Vec::new());
    }
    let cib = without_maintenance(&cib);
    let args = ["--simulate", "--xml-pipe"];
    let done = host.run_with("crm_simulate", &args, cib.as_bytes(), LIMIT)?;
    Ok(interrupting(&done.stdout))
}

/// Names of the resources that would run, or be promoted, on no node if `node`
/// stood by: the other one may be there and yet not able, as with DRBD while
/// its data is behind. Empty where crm_simulate is not installed.
///
/// # Errors
/// crm_simulate ends badly, or cibadmin hangs.
pub fn lost(host: &Host, node: &str) -> Result<Vec<String>, Failure> {
    let (Some(cib), Some(mut simulator)) = (live::cib(host)?, scheduler::find(host)?) else {
        return Ok(Vec::new());
    };
    lost_by_standby(&cib, node, &mut simulator).map_err(scheduler::failed)
}

/// The CIB with `maintenance-mode` switched off in every set.
fn without_maintenance(cib: &str) -> String {
    let lines = cib.lines().map(|line| {
        match line.contains("<nvpair") && line.contains("name=\"maintenance-mode\"") {
            true => line.replace("value=\"true\"", "value=\"false\""),
            false => line.to_string(),
        }
    });
    lines.collect::<Vec<String>>().join("\n")
}

fn interrupting(text: &str) -> Vec<String> {
    let summary = text
        .lines()
        .skip_while(|line| line.trim() != "Transition Summary:")
        .skip(1)
        .take_while(|line| line.trim_start().starts_with('*'));
    summary
        .map(|line| line.trim_start().trim_start_matches('*').trim())
        .filter(|line| INTERRUPTS.iter().any(|verb| line.starts_with(verb)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_interrupts_counts() {
        let text = "Current cluster status:\n  * Node List:\n\nTransition Summary:\n  \
                    * Move       vip-ip     ( alpha -> beta )\n  * Start      x    ( beta )\n\n\
                    Executing Cluster Transition:\n  * Resource action: vip-ip stop on alpha\n";
        assert_eq!(interrupting(text), ["Move vip-ip ( alpha -> beta )"]);
        assert_eq!(
            interrupting("Transition Summary:\n\nUsing"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn only_the_property_is_changed() {
        let cib = "<a>\n<nvpair id=\"m\" name=\"maintenance-mode\" value=\"true\"/>\n\
                   <nvpair id=\"s\" name=\"stonith-enabled\" value=\"true\"/>\n</a>";
        let without = without_maintenance(cib);
        assert!(without.contains("name=\"maintenance-mode\" value=\"false\""));
        assert!(without.contains("name=\"stonith-enabled\" value=\"true\""));
    }
}
