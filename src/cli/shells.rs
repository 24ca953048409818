//! Shells to the nodes of a cluster.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use super::print;
use crate::failure::Failure;
use crate::trial::world::{Stage, World};

/// Lines `NODE COMMAND` from stdin, until it ends.
pub fn shells(mut stage: Stage) -> Result<(), Failure> {
    let nodes = stage.machines.cluster().spec().nodes.clone();
    eprintln!(
        "{} run. Write NODE COMMAND, such as `{} ubuntu-ha status`; end with Ctrl-D, and they are gone.",
        nodes.join(", "),
        nodes[0]
    );
    let stdin = std::io::stdin();
    loop {
        if stdin.is_terminal() {
            eprint!("hapkg> ");
            let _ = std::io::stderr().flush();
        }
        let mut line = String::new();
        let read = stdin.lock().read_line(&mut line);
        if !matches!(read, Ok(length) if length > 0) {
            return Ok(stage.machines.end_capture()?);
        }
        let Some((node, command)) = line.trim().split_once(' ') else {
            continue;
        };
        if !nodes.iter().any(|one| one == node) {
            eprintln!("there is no node {node:?}; they are {}", nodes.join(", "));
            continue;
        }
        match stage
            .machines
            .run(node, command, "", Duration::from_secs(600))
        {
            Ok(output) => {
                print(&output.stdout)?;
                eprint!("{}", output.stderr);
                if output.status != 0 {
                    eprintln!("exit {}", output.status);
                }
            }
            Err(trouble) => eprintln!("{}", trouble.text()),
        }
    }
}
