//! What the nodes tell each other while they prepare: private attributes of
//! pacemaker's attribute manager, attrd_updater(8). They never reach the CIB.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::super::host::{Done, Host};
use super::super::problem::Failure;

const LIMIT: Duration = Duration::from_secs(30);
/// Longer than the longest copy may take.
const LONGEST: Duration = Duration::from_secs(25 * 3600);
/// `CRM_EX_DISCONNECT`: the daemon cannot be reached.
const DISCONNECTED: i32 = 102;

/// One attribute, with a value for each node.
#[derive(Debug)]
pub struct Channel<'a> {
    host: &'a Host,
    name: String,
}

impl<'a> Channel<'a> {
    pub fn new(host: &'a Host, item: &str) -> Self {
        Self {
            host,
            name: format!("ubuntu-ha-{item}"),
        }
    }

    /// # Errors
    /// The attribute manager does not answer.
    pub fn say(&self, value: &str) -> Result<(), Failure> {
        let args = ["--name", &self.name, "--update", value, "--private"];
        ask(self.host, "attrd_updater", &args, |done| done.success).map(drop)
    }

    /// What each node has said, by its name.
    ///
    /// # Errors
    /// The attribute manager does not answer.
    pub fn heard(&self) -> Result<BTreeMap<String, String>, Failure> {
        let args = ["--name", &self.name, "--query", "--all"];
        // An attribute that nobody has set is an error too, with a code that
        // differs between the versions.
        let answered = |done: &Done| done.code.is_some_and(|code| code != DISCONNECTED);
        Ok(parse(
            &ask(self.host, "attrd_updater", &args, answered)?.stdout,
        ))
    }
}

/// Pacemaker's daemons take a moment after its start until they answer.
fn ask(
    host: &Host,
    program: &str,
    args: &[&str],
    answered: impl Fn(&Done) -> bool,
) -> Result<Done, Failure> {
    let (tries, pause) = if host.is_trial() {
        (2, Duration::from_millis(20))
    } else {
        (30, Duration::from_secs(2))
    };
    let mut done = host.run(program, args, LIMIT)?;
    for _ in 1..tries {
        if answered(&done) {
            return Ok(done);
        }
        thread::sleep(pause);
        done = host.run(program, args, LIMIT)?;
    }
    if answered(&done) {
        return Ok(done);
    }
    Err(Failure::failed(
        format!("{program} {}: {}", args.join(" "), done.last_words()),
        "see whether pacemaker runs, then run the command again".into(),
    ))
}

/// `name="ubuntu-ha-drbd-data" host="alpha" value="made"`
fn parse(text: &str) -> BTreeMap<String, String> {
    let word = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let pairs = text.lines().filter_map(|line| {
        let value = word(line, "value").filter(|value| !value.is_empty())?;
        Some((word(line, "host")?, value))
    });
    pairs.collect()
}

/// Whether the cluster runs a resource with this parameter already: then the
/// others do not prepare it together with this node.
///
/// # Errors
/// The CIB cannot be asked.
pub fn is_in_cib(host: &Host, parameter: &str, value: &str) -> Result<bool, Failure> {
    let path = format!("//primitive//nvpair[@name='{parameter}'][@value='{value}']");
    let done = host.run("cibadmin", &["--query", "--xpath", &path], LIMIT)?;
    Ok(done.success)
}

/// Names of the nodes that corosync reaches.
///
/// # Errors
/// pacemaker does not answer.
pub fn present(host: &Host) -> Result<Vec<String>, Failure> {
    let done = ask(host, "crm_node", &["--partition"], |done| done.success)?;
    Ok(done.stdout.split_whitespace().map(str::to_owned).collect())
}

/// Asks `look` again and again until it has something. It says what is waited
/// for, and whether that is known to go on: then `limit` starts anew.
///
/// # Errors
/// Those of `look`; or `limit` was over.
pub fn wait_for<T>(
    host: &Host,
    limit: Duration,
    mut look: impl FnMut() -> Result<Waited<T>, Failure>,
) -> Result<T, Failure> {
    let pause = Duration::from_millis(if host.is_trial() { 20 } else { 1000 });
    let limit = if host.is_trial() {
        limit.min(Duration::from_secs(10))
    } else {
        limit
    };
    let last = Instant::now() + LONGEST;
    let mut end = Instant::now() + limit;
    loop {
        let (what, alive) = match look()? {
            Waited::Over(found) => return Ok(found),
            Waited::For(what) => (what, false),
            Waited::Alive(what) => (what, true),
        };
        if alive {
            end = (Instant::now() + limit).min(last);
        }
        if Instant::now() >= end {
            return Err(Failure::failed(
                format!("waited {} s for {what}", limit.as_secs()),
                "run ubuntu-ha apply on the other nodes too, and at the same time; then run it \
                 here again"
                    .into(),
            ));
        }
        thread::sleep(pause);
    }
}

/// How waiting goes.
#[derive(Debug)]
pub enum Waited<T> {
    Over(T),
    For(String),
    /// Like `For`, but the other side is seen to work on it.
    Alive(String),
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_are_told_by_host() {
        let text = "name=\"ubuntu-ha-x\" host=\"alpha\" value=\"made\"\n\
                    name=\"ubuntu-ha-x\" host=\"beta\" value=\"\"\n";
        let heard = parse(text);
        assert_eq!(heard.len(), 1);
        assert_eq!(heard["alpha"], "made");
    }
}
