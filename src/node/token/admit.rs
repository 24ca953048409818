//! Admitting a node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::clock;
use super::format::{Id, Token};
use super::ledger::{self, Admission};
use super::running::{self, Running};
use crate::node::apply::Lock;
use crate::node::cross::Checked;
use crate::node::host::Host;
use crate::node::key::{self, Master};
use crate::node::layout::Subject;
use crate::node::live;
use crate::node::loaded::{self, Loaded};
use crate::node::members::{self, Lists};
use crate::node::problem::Failure;
use crate::recipe::answer::{Answer, Node, node_list};

/// Answers that are a host's own, or that the token makes needless.
const NOT_CARRIED: [&str; 3] = ["secret", "setup", "join_token"];

/// What was asked for.
#[derive(Debug)]
pub struct Wish {
    pub node: String,
    /// One for each link; none: as the list of nodes has it.
    pub addresses: Vec<String>,
    /// Of its management controller.
    pub controller: Option<String>,
    /// Seconds.
    pub valid_for: u64,
    /// Seconds that the other members have to take the longer list over.
    pub patience: u64,
}

/// A node that was admitted.
#[derive(Debug)]
pub struct Admitted {
    pub token: Token,
    pub admission: Admission,
    /// Whether the cluster is formed already.
    pub formed: bool,
    /// What went wrong without standing in the way.
    pub notes: Vec<String>,
}

/// Admits a node.
///
/// # Errors
/// It cannot be admitted, and everything is as it was.
pub fn admit(host: &Host, wish: &Wish) -> Result<Admitted, Failure> {
    let lock = Lock::take(host)?;
    let running = running::read(host)?;
    let live = running.as_ref().map(|running| &running.live);
    if live
        .and_then(|live| live.node(&wish.node))
        .is_some_and(|node| node.online)
    {
        return Err(Failure::failed(
            format!("{} is a running member of the cluster", wish.node),
            "nothing has to be done".into(),
        ));
    }
    if host.name()? == wish.node {
        return Err(Failure::usage(
            format!("{} is this host", wish.node),
            "write the name of the host that shall join".into(),
        ));
    }
    let cib = running.as_ref().map(|running| running.cib.as_str());
    let before = members::current(&host.layout, cib)?;
    let mut lists = with_node(&before, wish)?;
    let loaded = design(host, &lists)?;
    lists.ids = ids(&loaded);
    let added = lists.nodes.len() > before.nodes.len();
    if added {
        let joined = members::joined(cib.unwrap_or_default());
        alone(host, wish, &joined)?;
        complete(&before, wish, running.as_ref(), &joined)?;
    }
    let earlier = ledger::find(&host.layout, &wish.node)?;
    let master = master(host, &loaded)?;
    let token = issue(wish, &loaded, master, running.is_some())?;
    let admission = Admission {
        node: wish.node.clone(),
        addresses: addresses(&lists.nodes, &wish.node),
        token: token.id.to_string(),
        issued: token.issued,
        expires: token.expires,
        added: added || earlier.as_ref().is_some_and(|earlier| earlier.added),
    };
    ledger::keep(&host.layout, &admission)?;
    let notes = match members::change(host, &lists, running.is_some(), &lock) {
        Ok(notes) => notes,
        Err(failure) => {
            match &earlier {
                Some(earlier) => ledger::keep(&host.layout, earlier)?,
                None => ledger::forget(&host.layout, &wish.node)?,
            }
            return Err(failure);
        }
    };
    drop(lock);
    if let Some(running) = &running {
        await_others(host, wish, &others(host, running)?)?;
    }
    Ok(Admitted {
        token,
        admission,
        formed: running.is_some(),
        notes,
    })
}

/// The lists with the wished node at their end, or as they are where it is on
/// them.
fn with_node(lists: &Lists, wish: &Wish) -> Result<Lists, Failure> {
    let mut lists = lists.clone();
    let wrong = |what: &str, why: String| {
        Failure::usage(
            format!("{what}: {why}"),
            "each node has a name and addresses of its own".into(),
        )
    };
    if lists.nodes.is_empty() {
        return Err(Failure::failed(
            "this host has no list of nodes yet".into(),
            "run `dpkg-reconfigure ubuntu-ha-node`, and name this host at least".into(),
        ));
    }
    let entry = format!("{}={}", wish.node, wish.addresses.join(","));
    let known = lists.nodes.iter().find(|node| node.name == wish.node);
    match known {
        Some(known) => {
            let other = || {
                Failure::failed(
                    format!("{} is on the list of nodes already, as {known}", wish.node),
                    "write these addresses, or none".into(),
                )
            };
            let same = wish.addresses.is_empty()
                || node_list(&entry).is_ok_and(|nodes| nodes.first() == Some(known));
            if !same {
                return Err(other());
            }
        }
        None if wish.addresses.is_empty() => {
            return Err(Failure::usage(
                format!("{} is not on the list of nodes", wish.node),
                "write its address on each link behind its name".into(),
            ));
        }
        None => {
            lists.nodes = extended(&lists.nodes, &wish.node, &entry)
                .map_err(|why| wrong("NODE ADDRESS", why))?;
        }
    }
    let controlled = lists.controllers.iter().any(|node| node.name == wish.node);
    match &wish.controller {
        Some(_) if lists.controllers.is_empty() => {
            return Err(Failure::usage(
                "--ipmi: this cluster fences without management controllers".into(),
                "leave it out".into(),
            ));
        }
        Some(address) if !controlled => {
            let entry = format!("{}={address}", wish.node);
            lists.controllers = extended(&lists.controllers, &wish.node, &entry)
                .map_err(|why| wrong("--ipmi", why))?;
        }
        None if !controlled && !lists.controllers.is_empty() => {
            return Err(Failure::usage(
                format!("fencing needs the management controller of {}", wish.node),
                "write its address behind --ipmi".into(),
            ));
        }
        _ => {}
    }
    lists.removed.retain(|name| *name != wish.node);
    Ok(lists)
}

/// `nodes` with one more, which is `name` and nothing else.
fn extended(nodes: &[Node], name: &str, entry: &str) -> Result<Vec<Node>, String> {
    let list = Answer::NodeList(nodes.to_vec()).text();
    let longer = node_list(&format!("{list} {entry}"))?;
    match longer.last() {
        Some(last) if last.name == name && longer.len() == nodes.len() + 1 => Ok(longer),
        _ => Err(format!(
            "`{entry}` is not one node; write its name, a blank, its addresses"
        )),
    }
}

/// The design with these lists, though the files do not have them yet.
fn design(host: &Host, lists: &Lists) -> Result<Loaded, Failure> {
    let lists = [
        (members::NODES_QUESTION, &lists.nodes),
        (members::CONTROLLERS_QUESTION, &lists.controllers),
    ];
    let set = |checked: &mut [Checked]| {
        let cluster = checked
            .iter_mut()
            .find(|one| one.subject == Subject::Cluster);
        let Some(answers) = cluster.and_then(|one| one.answers.as_mut()) else {
            return;
        };
        for (question, nodes) in lists {
            if answers.contains_key(question) {
                answers.insert(question.into(), Answer::NodeList(nodes.clone()));
            }
        }
    };
    let loaded = loaded::load_with(host, &[], set)?;
    loaded.me(host)?;
    Ok(loaded)
}

fn ids(loaded: &Loaded) -> BTreeMap<String, u32> {
    let members = loaded.desired.members.iter();
    members
        .map(|member| (member.name.clone(), member.id))
        .collect()
}

/// The master, made where the first token needs it before the first `apply`.
fn master(host: &Host, loaded: &Loaded) -> Result<Master, Failure> {
    let secret = match loaded.cluster.get("secret") {
        Some(Answer::Password(secret)) => Some(secret.expose()),
        _ => None,
    };
    if let Some(master) = key::master(host, secret, &loaded.desired.name)? {
        return Ok(master);
    }
    if let Some(name) = running::formed(host)? {
        return Err(Failure::environment(
            format!("the master of cluster {name} is not kept on this node"),
            "run `ubuntu-ha token` on another node of the cluster".into(),
        ));
    }
    let master = key::new_master()?;
    key::keep(&host.layout, &master)?;
    Ok(master)
}

fn issue(wish: &Wish, loaded: &Loaded, master: Master, running: bool) -> Result<Token, Failure> {
    let issued = clock::now();
    let answers = loaded.cluster.iter();
    Ok(Token {
        id: Id(key::random()?),
        issued,
        expires: issued + wish.valid_for,
        running,
        node: wish.node.clone(),
        ids: loaded
            .desired
            .members
            .iter()
            .map(|member| member.id)
            .collect(),
        answers: answers
            .filter(|(name, _)| !NOT_CARRIED.contains(&name.as_str()))
            .map(|(name, answer)| (name.clone(), answer.text()))
            .collect(),
        master,
    })
}

fn addresses(nodes: &[Node], name: &str) -> String {
    let node = nodes.iter().find(|node| node.name == name);
    let addresses = node
        .map(|node| node.addresses.as_slice())
        .unwrap_or_default();
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(",")
}

/// Refuses a longer list while another token is out: its node would start with
/// the shorter one.
fn alone(host: &Host, wish: &Wish, joined: &BTreeSet<String>) -> Result<(), Failure> {
    let now = clock::now();
    let other = ledger::all(&host.layout)?.into_iter().find(|other| {
        other.node != wish.node
            && now <= other.expires + clock::TOLERANCE
            && !joined.contains(&other.node)
    });
    let Some(other) = other else { return Ok(()) };
    Err(Failure::failed(
        format!(
            "{} may still join until {}, with a token that does not name {}",
            other.node,
            clock::show(other.expires),
            wish.node
        ),
        format!(
            "wait until it has joined, or run `ubuntu-ha token --revoke {}` first",
            other.node
        ),
    ))
}

/// Refuses a longer list while a member is away, or one has yet to join: it
/// would come with the shorter one. Another node may have given its token out.
fn complete(
    before: &Lists,
    wish: &Wish,
    running: Option<&Running>,
    joined: &BTreeSet<String>,
) -> Result<(), Failure> {
    let Some(running) = running else {
        return Ok(());
    };
    let absent = before.nodes.iter().find(|node| {
        let online = running
            .live
            .node(&node.name)
            .is_some_and(|live| live.online);
        !online
    });
    let Some(absent) = absent else { return Ok(()) };
    if !joined.contains(&absent.name) {
        return Err(Failure::failed(
            format!(
                "{} is on the list of nodes and has not joined; a token of it does not name {}",
                absent.name, wish.node
            ),
            format!(
                "wait until it has joined, or take it off the list: `ubuntu-ha token --revoke \
                 {0}` where its token was given out, or `ubuntu-ha leave --node {0}`",
                absent.name
            ),
        ));
    }
    Err(Failure::failed(
        format!(
            "{} is not running, and would come back without knowing of the new node",
            absent.name
        ),
        format!(
            "start it first, or take it off the list with `ubuntu-ha leave --node {}`",
            absent.name
        ),
    ))
}

/// Waits until every running member knows the node.
fn await_others(host: &Host, wish: &Wish, others: &[String]) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(wish.patience);
    let mut said: Vec<&str> = Vec::new();
    loop {
        let cib = live::cib(host)?.unwrap_or_default();
        let unaware = members::unaware(&cib, others, &wish.node);
        if unaware.is_empty() {
            return Ok(());
        }
        if said.is_empty() {
            for other in &unaware {
                eprintln!("ubuntu-ha: Next, on {other}: ubuntu-ha apply (waiting for it)");
            }
            said.clone_from(&unaware);
        }
        if Instant::now() >= end {
            return Err(Failure::failed(
                format!(
                    "{} is on the list, but {} did not take it over; without that, {0} would \
                     disturb the running cluster, so its token is not printed yet",
                    wish.node,
                    unaware.join(" and ")
                ),
                format!(
                    "run `ubuntu-ha apply` there, then `ubuntu-ha token {}` again",
                    wish.node
                ),
            ));
        }
        host.pause();
    }
}

/// Running members other than this one.
fn others(host: &Host, running: &Running) -> Result<Vec<String>, Failure> {
    let me = host.name()?;
    let nodes = running.live.nodes.iter();
    let others = nodes.filter(|node| node.online && node.name != me);
    Ok(others.map(|node| node.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        Lists {
            nodes: node_list("alpha=192.0.2.11 beta=192.0.2.12").unwrap(),
            removed: vec!["gamma".into()],
            ..Lists::default()
        }
    }

    fn wish(node: &str, addresses: &[&str], controller: Option<&str>) -> Wish {
        Wish {
            node: node.into(),
            addresses: addresses.iter().map(|text| text.to_string()).collect(),
            controller: controller.map(Into::into),
            valid_for: 60,
            patience: 0,
        }
    }

    fn refusal(lists: &Lists, wish: &Wish) -> String {
        format!("{:?}", with_node(lists, wish).unwrap_err())
    }

    #[test]
    fn a_new_node_goes_to_the_end_and_is_no_removed_one_any_more() {
        let with = with_node(&lists(), &wish("gamma", &["192.0.2.13"], None)).unwrap();
        let text = Answer::NodeList(with.nodes).text();
        assert_eq!(text, "alpha=192.0.2.11 beta=192.0.2.12 gamma=192.0.2.13");
        assert!(with.removed.is_empty());
    }

    #[test]
    fn a_node_on_the_list_stays_as_it_is() {
        for addresses in [&[][..], &["192.0.2.12"]] {
            let with = with_node(&lists(), &wish("beta", addresses, None)).unwrap();
            assert_eq!(with, lists());
        }
    }

    #[test]
    fn what_contradicts_the_list_is_refused() {
        for (node, addresses, part) in [
            (
                "beta",
                &["192.0.2.99"][..],
                "is on the list of nodes already, as beta=192.0.2.12",
            ),
            ("BETA", &["192.0.2.99"], "twice"),
            ("gamma", &[], "is not on the list"),
            ("gamma", &["192.0.2.12"], "twice"),
            (
                "gamma",
                &["192.0.2.13", "198.51.100.13"],
                "different numbers",
            ),
            ("gamma", &["2001:db8::13"], "mixes IPv4 and IPv6"),
            ("gamma", &["192.0.2"], "is no IP address"),
            ("gamma", &["127.0.0.1"], "loopback"),
            ("-x", &["192.0.2.13"], "hyphen"),
            ("gamma=192.0.2.13 delta", &["192.0.2.14"], "is not one node"),
            ("gamma", &["192.0.2.13 delta=192.0.2.14"], "is not one node"),
            ("../gamma", &["192.0.2.13"], "empty label"),
            ("", &["192.0.2.13"], "host name"),
        ] {
            let message = refusal(&lists(), &wish(node, addresses, None));
            assert!(message.contains(part), "{node} {addresses:?}: {message}");
        }
        let none = Lists::default();
        let message = refusal(&none, &wish("beta", &["192.0.2.12"], None));
        assert!(message.contains("no list of nodes"), "{message}");
    }

    #[test]
    fn controllers_are_asked_for_where_fencing_uses_them() {
        let controlled = Lists {
            controllers: node_list("alpha=203.0.113.11 beta=203.0.113.12").unwrap(),
            ..lists()
        };
        let gamma = |controller| wish("gamma", &["192.0.2.13"], controller);
        let with = with_node(&controlled, &gamma(Some("203.0.113.13"))).unwrap();
        let text = Answer::NodeList(with.controllers).text();
        assert!(text.ends_with(" gamma=203.0.113.13"), "{text}");
        assert!(refusal(&controlled, &gamma(None)).contains("--ipmi"));
        assert!(refusal(&controlled, &gamma(Some("203.0.113.11"))).contains("twice"));
        assert!(refusal(&lists(), &gamma(Some("203.0.113.13"))).contains("leave it out"));
        assert_eq!(
            with_node(&controlled, &wish("beta", &[], None))
                .unwrap()
                .nodes
                .len(),
            2
        );
    }
}
