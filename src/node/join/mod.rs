//! `ubuntu-ha join`.

mod answers;
mod before;
mod fit;
mod read;

use super::enact;
use super::host::Host;
use super::ids;
use super::key;
use super::layout::Subject;
use super::problem::Failure;
use super::token::Token;
use before::Before;

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
    let cluster = join(host, text.expose())?;
    eprintln!("ubuntu-ha: {} has joined cluster {cluster}", host.name()?);
    Ok(0)
}

/// Joins the cluster of a token; its name.
///
/// # Errors
/// [`Failure::Failed`]: the token cannot be used here, and nothing was
/// written. Those of `apply`: this host is as it was.
pub fn join(host: &Host, text: &str) -> Result<String, Failure> {
    let token = Token::decode(text)
        .map_err(|wrong| Failure::failed(wrong.to_string(), wrong.remedy().into()))?;
    fit::check(host, &token)?;
    if Before::restore_interrupted(&host.layout)? {
        eprintln!("ubuntu-ha: an earlier join was interrupted; its answers were put back first");
    }
    let answers = answers::prepare(host, &token)?;
    let before = Before::save(&host.layout, &answers.paths())?;
    let done = write(host, &token, &answers).and_then(|()| enact::now(host));
    if let Err(failure) = done {
        before.restore()?;
        eprintln!(
            "ubuntu-ha: the answers of this host are as they were; the cluster still expects {0}. \
             On the node that gave the token out, `ubuntu-ha token --revoke {0}` takes it off the \
             list",
            token.node
        );
        return Err(failure);
    }
    before.discard()?;
    drop_answered_token(host)?;
    Ok(answers.cluster)
}

fn write(host: &Host, token: &Token, answers: &answers::Prepared) -> Result<(), Failure> {
    key::keep(&host.layout, &token.master)?;
    ids::keep(&host.layout, &answers.ids)?;
    answers.write(host)
}

/// A token that was given to debconf has done its work.
fn drop_answered_token(host: &Host) -> Result<(), Failure> {
    super::secrets::forget(&host.layout, &Subject::Cluster, "join_token")
}
