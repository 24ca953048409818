//! `ubuntu-ha join`.

mod answers;
mod before;
mod fit;
mod read;

use super::apply::{self, Lock};
use super::host::Host;
use super::ids;
use super::key;
use super::layout::Subject;
use super::problem::Failure;
use super::secrets;
use super::token::Token;
use before::Before;

/// Seconds that the nodes of a cluster have to come together for the first
/// time.
pub const FORMING: u64 = 1_800;

/// Join the cluster that a token names
///
/// TOKEN is what `ubuntu-ha token` printed on a node of the cluster. Without
/// it, or with `-`, it is read from standard input, on a terminal without
/// showing it; on the command line every user of this host can read it.
///
/// Takes the cluster's answers over into /etc/ubuntu-ha/cluster.toml, then does
/// what `ubuntu-ha apply` does. When that fails, this host is put back as it
/// was.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The token, or - for standard input
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// How long to wait for the other nodes [default: 120, or 1800 where the
    /// cluster is yet to be formed]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    wait: Option<u64>,
}

/// Runs the command; its exit code.
///
/// # Errors
/// Those of [`join`], and a token that cannot be read.
pub fn run(host: &Host, args: &Args) -> Result<u8, Failure> {
    let text = match args.token.as_deref() {
        None | Some("-") => read::from_stdin()?,
        Some(token) => {
            eprintln!(
                "ubuntu-ha: every user can read a command line, and the shell may keep it: leave \
                 the token out next time, and paste it when asked"
            );
            read::Text::new(token.into())
        }
    };
    let joined = join(host, text.expose(), args.wait)?;
    joined.tell(host)?;
    Ok(u8::from(!joined.failed.is_empty()))
}

/// What has become of a join.
#[derive(Debug)]
pub struct Joined {
    /// Name of the cluster.
    pub cluster: String,
    pub notes: Vec<String>,
    /// What does not work in the cluster, which this host has joined.
    pub failed: Vec<String>,
}

impl Joined {
    /// Says it on standard error.
    ///
    /// # Errors
    /// The host has no name.
    pub fn tell(&self, host: &Host) -> Result<(), Failure> {
        eprintln!(
            "ubuntu-ha: {} has joined cluster {}",
            host.name()?,
            self.cluster
        );
        for line in self.notes.iter().chain(&self.failed) {
            eprintln!("ubuntu-ha: {line}");
        }
        Ok(())
    }
}

/// Joins the cluster of a token. `wait`: seconds that the other nodes have; a
/// cluster that is yet to be formed has half an hour.
///
/// # Errors
/// [`Failure::Failed`]: the token cannot be used here, and nothing was
/// written. Those of `apply`: this host is as it was.
pub fn join(host: &Host, text: &str, wait: Option<u64>) -> Result<Joined, Failure> {
    let token = Token::decode(text)
        .map_err(|wrong| Failure::failed(wrong.to_string(), wrong.remedy().into()))?;
    fit::check(host, &token)?;
    let lock = Lock::take(host)?;
    if Before::restore_interrupted(&host.layout)? {
        eprintln!("ubuntu-ha: an earlier join was interrupted; its answers were put back first");
    }
    let answers = answers::prepare(host, &token)?;
    let before = Before::save(&host.layout, answers.paths())?;
    let args = apply::Args {
        wait: wait.or((!token.running).then_some(FORMING)),
        ..apply::Args::default()
    };
    let done = write(host, &token, &answers).and_then(|()| apply::under(&lock, host, &args));
    match done {
        Ok(outcome) => {
            before.discard()?;
            secrets::forget(&host.layout, &Subject::Cluster, "join_token")?;
            Ok(Joined {
                cluster: answers.cluster,
                notes: outcome.notes,
                failed: outcome.failed,
            })
        }
        Err(failure) => {
            if let Err(worse) = put_back(host, &lock, &before) {
                eprintln!("ubuntu-ha: {}", failure.message());
                return Err(worse);
            }
            eprintln!(
                "ubuntu-ha: this host is as it was; the cluster still expects {0}. On the node \
                 that gave the token out, `ubuntu-ha token --revoke {0}` takes it off the list",
                token.node
            );
            Err(failure)
        }
    }
}

fn write(host: &Host, token: &Token, answers: &answers::Prepared) -> Result<(), Failure> {
    key::keep(&host.layout, &token.master)?;
    ids::keep(&host.layout, &answers.ids)?;
    answers.write(host)
}

/// Puts back what `apply` has not put back itself, then the answers.
fn put_back(host: &Host, lock: &Lock, before: &Before) -> Result<(), Failure> {
    let args = apply::Args {
        rollback: true,
        ..apply::Args::default()
    };
    apply::under(lock, host, &args)?;
    before.restore()
}
