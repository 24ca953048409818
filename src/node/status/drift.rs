//! What differs between the running CIB and the one that the files ask for.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use crate::node::cib::Element;

/// Sections whose elements are ours one by one.
const SECTIONS: [&str; 6] = [
    "resources",
    "constraints",
    "fencing-topology",
    "rsc_defaults",
    "op_defaults",
    "crm_config",
];

/// Constraints that others put there and that are told of elsewhere.
const FOREIGN: [&str; 2] = ["cli-", "drbd-fence-by-handler-"];

/// Ids of what is missing, different, or too much in `live`, sorted, each with
/// what is the matter. `ignore` says which ids do not count.
pub fn between(desired: &str, live: &str, ignore: impl Fn(&str) -> bool) -> Vec<String> {
    let (Some(desired), Some(live)) = (elements(desired), elements(live)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (id, wanted) in &desired {
        match live.get(id) {
            _ if ignore(id) => {}
            None => found.push(format!("{id} is missing")),
            Some(have) if have != wanted => found.push(format!("{id} is different")),
            Some(_) => {}
        }
    }
    let more = live.keys().filter(|id| !desired.contains_key(*id));
    for id in more {
        let property = id.starts_with("property ");
        if !property && !ignore(id) && !FOREIGN.iter().any(|start| id.starts_with(start)) {
            found.push(format!("{id} is not in the files"));
        }
    }
    found
}

/// Each element in one canonical text, by its id; properties by their names.
fn elements(text: &str) -> Option<BTreeMap<String, String>> {
    let document = Document::parse(text).ok()?;
    let configuration = document
        .descendants()
        .find(|node| node.has_tag_name("configuration"))?;
    let mut found = BTreeMap::new();
    for section in configuration.children().filter(Node::is_element) {
        let name = section.tag_name().name();
        if !SECTIONS.contains(&name) {
            continue;
        }
        for element in section.children().filter(Node::is_element) {
            if name == "crm_config" {
                for pair in element.children().filter(|n| n.has_tag_name("nvpair")) {
                    let value = pair.attribute("value").unwrap_or_default().to_string();
                    let name = pair.attribute("name").unwrap_or_default();
                    if !name.starts_with("ubuntu-ha-") {
                        found.insert(format!("property {name}"), value);
                    }
                }
                continue;
            }
            let id = element.attribute("id").unwrap_or(name);
            found.insert(id.to_string(), Element::from(element).canonical());
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cib(config: &str, resources: &str, constraints: &str) -> String {
        format!(
            "<cib><configuration><crm_config><cluster_property_set id=\"s\">{config}\
             </cluster_property_set></crm_config><resources>{resources}</resources>\
             <constraints>{constraints}</constraints></configuration></cib>"
        )
    }

    #[test]
    fn only_what_the_files_say_otherwise_is_found() {
        let property = |name: &str, value: &str| {
            format!("<nvpair id=\"s-{name}\" name=\"{name}\" value=\"{value}\"/>")
        };
        let desired = cib(
            &property("stonith-enabled", "true"),
            "<primitive id=\"a\" class=\"ocf\" type=\"x\"/><primitive id=\"b\"/><primitive id=\"left-x\"/>",
            "",
        );
        let same = cib(
            &(property("stonith-enabled", "true") + &property("dc-version", "2.1")),
            // crm_resource leaves an empty set behind.
            "\n <primitive type=\"x\"  class=\"ocf\" id=\"a\"/>\n<primitive id=\"b\">\
             <meta_attributes id=\"b-meta\"/></primitive>",
            "<rsc_location id=\"cli-ban-a\"/><rsc_location id=\"drbd-fence-by-handler-x\"/>",
        );
        let left = |id: &str| id == "left-x";
        assert_eq!(between(&desired, &same, left), Vec::<String>::new());
        let other = cib(
            &property("stonith-enabled", "false"),
            "<primitive id=\"a\" class=\"ocf\" type=\"y\"/><primitive id=\"c\"/>",
            "",
        );
        assert_eq!(
            between(&desired, &other, left),
            [
                "a is different",
                "b is missing",
                "property stonith-enabled is different",
                "c is not in the files"
            ]
        );
    }
}
