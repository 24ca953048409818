//! `ubuntu-ha token`.

mod admit;
mod clock;
mod format;
mod ledger;
mod list;
mod revoke;
mod running;
mod show;

use std::io::Write;

use super::host::Host;
use super::problem::Failure;

pub use clock::{TOLERANCE, now, show as show_time};
pub use format::Token;
pub use ledger::{Admission, all as admissions};
pub use running::formed;

/// Admit a host to the cluster and print the token it joins with
///
/// Puts NODE at the end of the list of nodes, in the files of this node and in
/// the running cluster, waits until `ubuntu-ha apply` has been run on each
/// other member, and prints a token for `ubuntu-ha join` on NODE. The token
/// holds the cluster's key: hand it over as you would a password. It is valid
/// on NODE alone, and only until it expires.
///
/// Before the cluster is formed, a node that is on the list already gets its
/// token without any change. Without a secret among the answers, the key is
/// made then.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the host that may join, as `uname -n` prints it there
    #[arg(required_unless_present_any = ["list", "revoke"])]
    node: Option<String>,
    /// Its address on each link, in the order of the others
    #[arg(value_name = "ADDRESS", value_delimiter = ',', requires = "node")]
    addresses: Vec<String>,
    /// Address of its management controller, where fencing uses them
    #[arg(long, value_name = "ADDRESS", requires = "node")]
    ipmi: Option<String>,
    /// How long the token is valid: 30m, 1h, 2d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = clock::parse_validity)]
    expires: u64,
    /// How long to wait for the other members to take the longer list over
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = clock::parse_span)]
    wait: u64,
    /// Show the tokens that this node has given out
    #[arg(long, conflicts_with_all = ["node", "revoke"])]
    list: bool,
    /// Take NODE, which has not joined, off the list again
    #[arg(long, value_name = "NODE", conflicts_with = "node")]
    revoke: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command; its exit code.
///
/// # Errors
/// [`Failure::Refused`] and [`Failure::Failed`]: the node cannot be admitted,
/// or revoked, and everything is as it was.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let output = match (&args.node, &args.revoke) {
        (_, Some(node)) => {
            for line in revoke::revoke(host, node)? {
                eprintln!("ubuntu-ha: {line}");
            }
            return Ok(0);
        }
        (Some(node), None) => {
            let wish = admit::Wish {
                node: node.clone(),
                addresses: args.addresses.clone(),
                controller: args.ipmi.clone(),
                valid_for: args.expires,
                patience: args.wait,
            };
            let admitted = admit::admit(host, &wish)?;
            for line in show::advice(host, &admitted)? {
                eprintln!("ubuntu-ha: {line}");
            }
            match args.json {
                true => show::as_json(&admitted),
                false => admitted.token.encode() + "\n",
            }
        }
        (None, None) => list::list(host, args.json)?,
    };
    // A reader that has seen enough is no error.
    let _ = std::io::stdout().lock().write_all(output.as_bytes());
    Ok(0)
}
