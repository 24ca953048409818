//! `ubuntu-ha token`.

mod admit;
mod clock;
mod format;
mod ledger;
mod list;
mod revoke;

use super::host::Host;
use super::problem::Failure;

pub use clock::{TOLERANCE, now, show, span};
pub use format::{Token, Unreadable};
pub use list::pending;

/// Admit a host to the cluster and print the token it joins with
///
/// Puts NODE at the end of the list of nodes, in the files of this node and in
/// the running cluster, and prints a token for `ubuntu-ha join` on NODE. The
/// token holds the cluster's key: hand it over as you would a password. It is
/// valid on NODE alone, and only until it expires.
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
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = clock::parse_span)]
    expires: u64,
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
    match (&args.node, &args.revoke) {
        (_, Some(node)) => revoke::revoke(host, node),
        (Some(node), None) => {
            let wish = admit::Wish {
                node: node.clone(),
                addresses: args.addresses.clone(),
                controller: args.ipmi.clone(),
                valid_for: args.expires,
            };
            admit::admit(host, &wish, args.json)
        }
        (None, None) => list::list(host, args.json),
    }
}
