//! A role goes: stopped in order, then out of the CIB in one push.
//!
//! The stop comes first because pacemaker stops what is no longer configured
//! without any order: a disk would be taken from below its filesystem. What is
//! under way is in the CIB alone, so a run that was killed is finished by the
//! next one, on any node.

use std::time::Duration;

use super::left;
use super::say;
use crate::node::cib::{self, Element};
use crate::node::host::Host;
use crate::node::journal::point;
use crate::node::layout::Subject;
use crate::node::live::Live;
use crate::node::loaded;
use crate::node::maintain::{patience, running, until};
use crate::node::problem::Failure;
use crate::node::status::role_of;

/// Until the resources have stopped; the longest stop of a role takes 150 s.
const STOPPING: Duration = Duration::from_secs(900);

/// Times that another change of the CIB may come in between.
const ATTEMPTS: u32 = 10;

/// Takes the role out.
///
/// # Errors
/// It is in no cluster, or does not stop.
pub fn leave(host: &Host, role: &str) -> Result<(), Failure> {
    let live = running(host)?;
    if live.maintenance {
        return Err(Failure::failed(
            "maintenance mode is on: nothing would be stopped".into(),
            "run `ubuntu-ha maintain off` first".into(),
        ));
    }
    let names = role_names(host, role)?;
    let ours = |id: &str| role_of(id, names.iter().map(String::as_str)) == Some(role);
    let document = query(host)?;
    let present = resources(&document).any(|element| ours(element.id()));
    let marked = left::roles(&document.text()).iter().any(|one| one == role);
    if !present {
        if marked {
            say(&format!("role {role} has left already"));
            return Ok(());
        }
        return Err(Failure::usage(
            format!("role {role} is not in the cluster"),
            "`ubuntu-ha status` shows the roles that are".into(),
        ));
    }
    point(host, &format!("stopping role {role}"));
    push(host, |cib| stop(cib, &ours, role))?;
    let stopped = |live: &Live| {
        let mut all = live.resources.iter().filter(|one| ours(&one.id));
        live.connected && live.is_idle() && all.all(|one| !one.is_active())
    };
    let (live, stopped) = until(host, patience(host, STOPPING), stopped)?;
    if !stopped {
        let all = live
            .resources
            .iter()
            .filter(|one| ours(&one.id) && one.is_active());
        let mut still: Vec<&str> = all.map(|one| one.id.as_str()).collect();
        still.dedup();
        return Err(Failure::failed(
            format!("role {role} does not stop: {}", still.join(", ")),
            format!(
                "mend what `ubuntu-ha status` shows, then run `ubuntu-ha leave {role}` again; \
                 `ubuntu-ha apply {role}` starts it again"
            ),
        ));
    }
    point(host, &format!("taking role {role} out of the cluster"));
    let design = without(host, role);
    push(host, |cib| {
        remove(cib, &ours);
        if let Some(design) = &design {
            *cib = cib::merge(cib, design).document;
        }
    })?;
    point(host, &format!("role {role} is out of the cluster"));
    say(&format!(
        "role {role} has left the cluster; its answers and its data are as they were"
    ));
    say(&format!("`ubuntu-ha apply {role}` puts it back"));
    Ok(())
}

/// Every role that an id may belong to, this one among them.
fn role_names(host: &Host, role: &str) -> Result<Vec<String>, Failure> {
    let mut all: Vec<Subject> = host.layout.installed()?;
    all.extend(host.layout.answered()?);
    let mut names: Vec<String> = all.iter().map(|one| one.name().to_string()).collect();
    names.push(role.into());
    names.sort();
    names.dedup();
    Ok(names)
}

/// The design that is left; `None` where the files give none, and then the next
/// `apply` brings the bookkeeping in order.
fn without(host: &Host, role: &str) -> Option<Element> {
    let loaded = loaded::load(host).ok()?;
    let rest = loaded.roles.iter().all(|(one, _)| one.role.name != role);
    rest.then(|| Element::parse(&loaded.desired.cib).ok())
        .flatten()
}

fn query(host: &Host) -> Result<Element, Failure> {
    cib::query(host)?.ok_or_else(|| {
        Failure::failed(
            "pacemaker does not answer".into(),
            "run the command again in a moment".into(),
        )
    })
}

/// Changes the live CIB; when somebody else does so meanwhile, again.
fn push(host: &Host, mut change: impl FnMut(&mut Element)) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let before = query(host)?;
        let mut after = before.clone();
        change(&mut after);
        if after == before || cib::push(host, &after)? {
            return Ok(());
        }
        host.pause();
    }
    Err(Failure::failed(
        "the configuration of the cluster changes all the time".into(),
        "run the command again".into(),
    ))
}

fn section<'a>(cib: &'a mut Element, name: &str) -> &'a mut Element {
    cib.child_mut("configuration").child_mut(name)
}

fn resources(cib: &Element) -> impl Iterator<Item = &Element> {
    let all = cib
        .child("configuration")
        .and_then(|c| c.child("resources"));
    all.into_iter().flat_map(|section| &section.children)
}

/// Sets the role's target role and the mark that it has left.
fn stop(cib: &mut Element, ours: &impl Fn(&str) -> bool, role: &str) {
    for element in &mut section(cib, "resources").children {
        if ours(element.id()) {
            target_role(element);
        }
    }
    let property = left::property(role);
    let set = section(cib, "crm_config").child_with_id("cluster_property_set", left::SET);
    let marked = |pair: &Element| pair.get("name") == Some(&property);
    if !set.children.iter().any(marked) {
        set.children
            .push(Element::pair(&property, &property, "true"));
    }
}

fn target_role(element: &mut Element) {
    let id = element.id().to_string();
    let sets = element
        .children
        .iter()
        .position(|child| child.name == "meta_attributes");
    let index = sets.unwrap_or_else(|| {
        let set = Element::new("meta_attributes").set("id", format!("{id}-leaving"));
        // The schema wants a clone's and a group's attributes before what is
        // inside them; a primitive's come in any order.
        element.children.insert(0, set);
        0
    });
    let set = &mut element.children[index];
    set.children
        .retain(|pair| pair.get("name") != Some("target-role"));
    let pair = Element::pair(&format!("{id}-target-role"), "target-role", "Stopped");
    set.children.push(pair);
}

/// Takes everything of the role out, and what names it.
fn remove(cib: &mut Element, ours: &impl Fn(&str) -> bool) {
    section(cib, "resources")
        .children
        .retain(|element| !ours(element.id()));
    section(cib, "constraints").children.retain(|element| {
        let names = ["rsc", "with-rsc", "first", "then"];
        let mut named = names.iter().filter_map(|name| element.get(name));
        !ours(element.id()) && !named.any(ours) && !refers(element, ours)
    });
}

/// A constraint of sets.
fn refers(element: &Element, ours: &impl Fn(&str) -> bool) -> bool {
    element
        .children
        .iter()
        .any(|child| (child.name == "resource_ref" && ours(child.id())) || refers(child, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIB: &str = r#"<cib><configuration><crm_config/><resources>
        <primitive id="vip-ip"/><group id="clc-active"><primitive id="clc-ip"/></group>
        <primitive id="fence-alpha"><meta_attributes id="m"><nvpair id="x" name="target-role"
        value="Started"/></meta_attributes></primitive></resources><constraints>
        <rsc_order id="clc-order-a-b" first="clc-replica" then="clc-active"/>
        <rsc_location id="cli-ban-clc-active" rsc="clc-active" node="beta"/>
        <rsc_colocation id="mine"><resource_set id="s"><resource_ref id="clc-ip"/></resource_set>
        </rsc_colocation><rsc_location id="fence-alpha-not-alpha" rsc="fence-alpha"/>
        </constraints></configuration></cib>"#;

    fn clc(id: &str) -> bool {
        id.starts_with("clc-")
    }

    #[test]
    fn only_the_role_is_stopped_and_marked_and_that_once() {
        let mut cib = Element::parse(CIB).unwrap();
        stop(&mut cib, &clc, "clc");
        let once = cib.clone();
        stop(&mut cib, &clc, "clc");
        assert_eq!(cib, once);
        let text = cib.text();
        assert!(text.contains("id=\"clc-active-target-role\""), "{text}");
        assert_eq!(text.matches("value=\"Stopped\"").count(), 1, "{text}");
        assert_eq!(left::roles(&text), ["clc"]);
    }

    #[test]
    fn what_names_the_role_goes_with_it() {
        let mut cib = Element::parse(CIB).unwrap();
        remove(&mut cib, &clc);
        let text = cib.text();
        assert!(!text.contains("clc-"), "{text}");
        for id in ["vip-ip", "fence-alpha", "fence-alpha-not-alpha"] {
            assert!(text.contains(&format!("id=\"{id}\"")), "{text}");
        }
    }
}
