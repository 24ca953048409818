//! Pacemaker's own scheduler on a node.

use super::host::Host;
use super::problem::Failure;
use crate::cluster::simulate::Error;
use crate::simulator::CrmSimulate;

/// crm_simulate(8); `None` where it is not installed.
///
/// # Errors
/// There is no room for its files.
pub fn find(host: &Host) -> Result<Option<CrmSimulate>, Failure> {
    let program = host.program("crm_simulate");
    let simulator = program
        .map(|program| CrmSimulate::new(&program))
        .transpose();
    simulator.map_err(|e| broken(format!("making a temporary directory: {e}")))
}

/// A simulation that says nothing.
pub fn failed(error: Error<String>) -> Failure {
    match error {
        Error::Tool(text) | Error::Output(text) => broken(text),
    }
}

/// With the remedy of a tool that is missing or broken.
pub fn broken(text: String) -> Failure {
    Failure::environment(
        text,
        "apt-get install --reinstall pacemaker-cli-utils".into(),
    )
}
