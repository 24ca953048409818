//! What an agent says of itself: OCF 1.1, 5.2 and 6; "Fence agent API".

use roxmltree::{Document, Node, ParsingOptions};

use super::{AgentMetadata, Parameter};

impl AgentMetadata {
    /// Reads the output of an agent's `meta-data`; what stands before the
    /// document is passed over.
    ///
    /// # Errors
    /// There is no such document in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let start = text.find("<?xml").or_else(|| text.find("<resource-agent"));
        let xml = &text[start.ok_or("there is no XML in it")?..];
        // The document type names a file that nobody reads.
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document =
            Document::parse_with_options(xml, options).map_err(|error| error.to_string())?;
        let root = document.root_element();
        if !root.has_tag_name("resource-agent") {
            let name = root.tag_name().name();
            return Err(format!("it is a <{name}>, not a <resource-agent>"));
        }
        let mut metadata = Self::default();
        for node in root.descendants() {
            match (node.tag_name().name(), node.attribute("name")) {
                ("parameter", Some(name)) => {
                    metadata.parameters.insert(name.into(), parameter(node));
                }
                ("action", Some(name)) => metadata.actions.push(name.into()),
                _ => {}
            }
        }
        link(&document, &mut metadata);
        metadata.actions.sort();
        metadata.actions.dedup();
        Ok(metadata)
    }
}

fn parameter(node: Node) -> Parameter {
    let is = |name: &str| matches!(node.attribute(name), Some("1" | "true" | "yes"));
    let child = |name: &str| node.children().find(|child| child.has_tag_name(name));
    let content = child("content");
    let default = content.and_then(|content| content.attribute("default"));
    Parameter {
        required: is("required"),
        kind: content
            .and_then(|content| content.attribute("type"))
            .unwrap_or("string")
            .into(),
        // Many agents write an empty default for what must be set.
        default: default.filter(|text| !text.is_empty()).map(str::to_owned),
        deprecated: is("deprecated") || child("deprecated").is_some(),
        replaces: (node.attribute("obsoletes").into_iter())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect(),
    }
}

/// OCF 1.1 names the successor in the old parameter, fence agents the old one
/// in its successor.
fn link(document: &Document, metadata: &mut AgentMetadata) {
    for node in document.descendants() {
        if !node.has_tag_name("replaced-with") {
            continue;
        }
        let old = node
            .ancestors()
            .find(|above| above.has_tag_name("parameter"))
            .and_then(|parameter| parameter.attribute("name"));
        let new = node.attribute("name");
        if let (Some(old), Some(new)) = (old, new.and_then(|n| metadata.parameters.get_mut(n))) {
            if !new.replaces.iter().any(|known| known == old) {
                new.replaces.push(old.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AgentMetadata;

    const AGENT: &str = r#"warning: what a script prints
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="x" version="1.0">
<parameters>
<parameter name="ip" required="1"><content type="string" default=""/></parameter>
<parameter name="count" required="0"><content type="integer" default="5"/></parameter>
<parameter name="address"><deprecated><replaced-with name="ip"/></deprecated></parameter>
<parameter name="username" obsoletes="login"><content type="string"/></parameter>
<parameter name="login" deprecated="1"><content type="string"/></parameter>
</parameters>
<actions><action name="start" timeout="20s"/><action name="monitor"/><action name="monitor"/></actions>
</resource-agent>"#;

    #[test]
    fn parameters_and_actions_are_read() {
        let metadata = AgentMetadata::parse(AGENT).unwrap();
        let ip = &metadata.parameters["ip"];
        assert!(ip.required && ip.default.is_none(), "{ip:?}");
        assert_eq!(ip.replaces, ["address"]);
        let count = &metadata.parameters["count"];
        assert_eq!((count.kind.as_str(), count.required), ("integer", false));
        assert_eq!(count.default.as_deref(), Some("5"));
        assert!(metadata.parameters["address"].deprecated);
        assert_eq!(metadata.parameters["username"].replaces, ["login"]);
        assert!(metadata.parameters["login"].deprecated);
        assert_eq!(metadata.actions, ["monitor", "start"]);
    }

    #[test]
    fn what_is_no_metadata_is_said_so() {
        for (text, word) in [
            ("", "no XML"),
            ("usage: x {start|stop}", "no XML"),
            ("<?xml version=\"1.0\"?><html/>", "<html>"),
            ("<resource-agent><a></resource-agent>", "a"),
        ] {
            let error = AgentMetadata::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
