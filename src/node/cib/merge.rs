//! What of a CIB is ours, and how it gets there.
//!
//! Ours is what the design has, and what the property `ubuntu-ha-ids` of the
//! live CIB says an earlier design had. Everything else stays as it is: nodes,
//! resources of others, pacemaker's own properties.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::cluster::Element;

/// The set of our own bookkeeping.
pub const OWN_SET: &str = "ubuntu-ha";
/// SHA-256 of the canonical design.
const DIGEST: &str = "ubuntu-ha-digest";
/// Ids that we put there.
const IDS: &str = "ubuntu-ha-ids";
/// Names of the cluster properties that we put there.
const PROPERTIES: &str = "ubuntu-ha-properties";

/// Where cluster properties are, some of them pacemaker's own.
const OPTIONS: &str = "cib-bootstrap-options";

/// What a design makes of the live CIB.
#[derive(Debug)]
pub struct Merged {
    pub document: Element,
    /// Ids of the design that somebody else's elements have.
    pub taken: Vec<String>,
}

/// Sections of a configuration whose children are replaced one by one.
fn sections(cib: &Element) -> impl Iterator<Item = &Element> {
    let configuration = cib.child("configuration");
    let all = configuration.into_iter().flat_map(|c| &c.children);
    all.filter(|section| !["crm_config", "nodes"].contains(&section.name.as_str()))
}

fn properties<'a>(cib: &'a Element, set: &str) -> impl Iterator<Item = &'a Element> {
    let config = cib
        .child("configuration")
        .and_then(|c| c.child("crm_config"));
    let set = config.and_then(|config| config.by_id(set));
    set.into_iter().flat_map(|set| &set.children)
}

fn property<'a>(cib: &'a Element, set: &str, name: &str) -> Option<&'a str> {
    let mut pairs = properties(cib, set);
    let pair = pairs.find(|pair| pair.get("name") == Some(name));
    pair.and_then(|pair| pair.get("value"))
}

fn words(text: Option<&str>) -> BTreeSet<String> {
    let words = text.unwrap_or_default().split_whitespace();
    words.map(str::to_string).collect()
}

fn ids(design: &Element) -> BTreeSet<String> {
    let all = sections(design).flat_map(|section| &section.children);
    all.map(|child| child.id().to_string()).collect()
}

fn names(design: &Element) -> BTreeSet<String> {
    let all = properties(design, OPTIONS).filter_map(|pair| pair.get("name"));
    all.map(str::to_string).collect()
}

/// SHA-256 of a design, in hexadecimal digits.
pub fn digest(design: &Element) -> String {
    let mut hash = Sha256::new();
    for set in [OPTIONS, OWN_SET] {
        for pair in properties(design, set) {
            hash.update(pair.canonical());
        }
    }
    for child in sections(design).flat_map(|section| &section.children) {
        hash.update(child.canonical());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// The digest of the design that was pushed last.
pub fn pushed_digest(live: &Element) -> Option<&str> {
    property(live, OWN_SET, DIGEST)
}

/// Whether the live CIB is what the design makes of it: nothing has to be
/// pushed.
pub fn is_current(live: &Element, design: &Element) -> bool {
    pushed_digest(live) == Some(&digest(design))
        && merge(live, design).document.canonical() == live.canonical()
}

/// The live CIB with our part replaced by the design.
pub fn merge(live: &Element, design: &Element) -> Merged {
    let mut document = live.clone();
    let (wanted, before) = (ids(design), words(property(live, OWN_SET, IDS)));
    let mut taken = Vec::new();
    let configuration = document.child_mut("configuration");
    for section in &mut configuration.children {
        if !["crm_config", "nodes"].contains(&section.name.as_str()) {
            section
                .children
                .retain(|child| wanted.contains(child.id()) || !before.contains(child.id()));
        }
    }
    for section in sections(design) {
        let into = configuration.child_mut(&section.name);
        for child in &section.children {
            match into.children.iter_mut().find(|c| c.id() == child.id()) {
                Some(present) if present.canonical() == child.canonical() => {}
                Some(present) => {
                    if !before.contains(child.id()) {
                        taken.push(child.id().to_string());
                    }
                    *present = child.clone();
                }
                None => into.children.push(child.clone()),
            }
        }
    }
    // Sections that only we had.
    configuration.children.retain(|section| {
        !section.children.is_empty()
            || live
                .child("configuration")
                .and_then(|c| c.child(&section.name))
                .is_some_and(|section| section.children.is_empty())
            || ["crm_config", "nodes", "resources", "constraints"].contains(&section.name.as_str())
    });
    let config = configuration.child_mut("crm_config");
    let gone: Vec<String> = words(property(live, OWN_SET, PROPERTIES))
        .difference(&names(design))
        .cloned()
        .collect();
    let options = config.child_with_id("cluster_property_set", OPTIONS);
    options
        .children
        .retain(|pair| !gone.iter().any(|name| pair.get("name") == Some(name)));
    for pair in properties(design, OPTIONS) {
        put(options, pair);
    }
    let own = config.child_with_id("cluster_property_set", OWN_SET);
    for pair in properties(design, OWN_SET) {
        put(own, pair);
    }
    let list = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(" ");
    put(own, &Element::pair(DIGEST, DIGEST, &digest(design)));
    put(own, &Element::pair(IDS, IDS, &list(wanted)));
    put(
        own,
        &Element::pair(PROPERTIES, PROPERTIES, &list(names(design))),
    );
    Merged { document, taken }
}

/// Puts a pair into a set, in the place of the one with that name.
fn put(set: &mut Element, pair: &Element) {
    let same = |known: &&mut Element| known.get("name") == pair.get("name");
    match set.children.iter_mut().find(same) {
        Some(known) if known.get("value") == pair.get("value") => {}
        Some(known) => *known = pair.clone(),
        None => set.children.push(pair.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = r#"<cib epoch="7" num_updates="1" admin_epoch="0" validate-with="pacemaker-3.9">
        <configuration>
          <crm_config><cluster_property_set id="cib-bootstrap-options">
            <nvpair id="o-dc" name="dc-version" value="2.1"/>
          </cluster_property_set></crm_config>
          <nodes><node id="1" uname="alpha"/></nodes>
          <resources><primitive id="theirs" class="ocf" provider="heartbeat" type="Dummy"/></resources>
          <constraints/>
        </configuration><status/></cib>"#;

    fn design(resources: &str, properties: &str) -> Element {
        let pairs: String = properties
            .split_whitespace()
            .map(|p| format!("<nvpair id=\"o-{p}\" name=\"{p}\" value=\"true\"/>"))
            .collect();
        let text = format!(
            r#"<cib><configuration><crm_config>
            <cluster_property_set id="cib-bootstrap-options">{pairs}</cluster_property_set>
            <cluster_property_set id="ubuntu-ha">
            <nvpair id="n" name="ubuntu-ha-nodes" value="alpha=1"/></cluster_property_set>
            </crm_config><nodes/><resources>{resources}</resources><constraints/></configuration>
            <status/></cib>"#
        );
        Element::parse(&text).unwrap()
    }

    fn has(cib: &Element, id: &str) -> bool {
        cib.text().contains(&format!("id=\"{id}\""))
    }

    #[test]
    fn what_is_not_ours_stays_and_what_was_ours_goes() {
        let live = Element::parse(LIVE).unwrap();
        let first = design("<primitive id=\"vip-a\"/><primitive id=\"vip-b\"/>", "x y");
        assert!(!is_current(&live, &first));
        let merged = merge(&live, &first);
        assert_eq!(merged.taken, Vec::<String>::new());
        let one = merged.document;
        for id in ["theirs", "vip-a", "vip-b", "o-dc", "o-x", "o-y", "1"] {
            assert!(has(&one, id), "{id}");
        }
        assert!(is_current(&one, &first));
        let second = design("<primitive id=\"vip-b\" type=\"z\"/>", "y");
        assert!(!is_current(&one, &second));
        let two = merge(&one, &second).document;
        for (id, there) in [("vip-a", false), ("vip-b", true), ("o-x", false)] {
            assert_eq!(has(&two, id), there, "{id}");
        }
        assert!(has(&two, "theirs") && has(&two, "o-dc"));
        assert!(is_current(&two, &second));
        assert_eq!(two.get("epoch"), Some("7"), "the lock");
    }

    #[test]
    fn an_id_of_somebody_else_is_told() {
        let live = Element::parse(LIVE).unwrap();
        let taken = merge(&live, &design("<primitive id=\"theirs\"/>", "")).taken;
        assert_eq!(taken, ["theirs"]);
    }

    #[test]
    fn a_change_by_hand_is_seen() {
        let live = Element::parse(LIVE).unwrap();
        let design = design("<primitive id=\"vip-a\"/>", "x");
        let mut pushed = merge(&live, &design).document;
        let text = pushed
            .text()
            .replace("name=\"x\" value=\"true\"", "name=\"x\" value=\"no\"");
        assert!(!is_current(&Element::parse(&text).unwrap(), &design));
        let config = pushed.child_mut("configuration").child_mut("constraints");
        let ban = Element::new("rsc_location").set("id", "cli-ban-x");
        config.children.push(ban);
        assert!(
            is_current(&pushed, &design),
            "a constraint of somebody else"
        );
    }
}
