//! A CIB as a tree that is read, compared and changed.

use crate::cluster::Element;

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// It is no XML.
    pub fn parse(text: &str) -> Result<Self, roxmltree::Error> {
        let document = roxmltree::Document::parse(text)?;
        Ok(Self::from(document.root_element()))
    }

    /// `<nvpair>`.
    pub fn pair(id: &str, name: &str, value: &str) -> Self {
        Self::new("nvpair")
            .set("id", id)
            .set("name", name)
            .set("value", value)
    }

    pub fn get(&self, attribute: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|(name, _)| name == attribute);
        found.map(|(_, value)| value.as_str())
    }

    pub fn id(&self) -> &str {
        self.get("id").unwrap_or_default()
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first child of that name, made where there is none.
    pub fn child_mut(&mut self, name: &str) -> &mut Element {
        let found = self.children.iter().position(|child| child.name == name);
        let index = found.unwrap_or_else(|| {
            self.children.push(Self::new(name));
            self.children.len() - 1
        });
        &mut self.children[index]
    }

    /// The child with that id, made where there is none.
    pub fn child_with_id(&mut self, name: &str, id: &str) -> &mut Element {
        let found = self.children.iter().position(|child| child.id() == id);
        let index = found.unwrap_or_else(|| {
            self.children.push(Self::new(name).set("id", id));
            self.children.len() - 1
        });
        &mut self.children[index]
    }

    /// The child with that id.
    pub fn by_id(&self, id: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.id() == id)
    }

    /// Text in which only what means something makes a difference: sorted
    /// attributes, sorted pairs of a set, and no set without pairs, which
    /// crm_resource leaves behind when it deletes the last one.
    pub fn canonical(&self) -> String {
        let mut attributes = self.attributes.clone();
        attributes.sort();
        let children = self.children.iter().filter(|child| !child.is_empty_set());
        let mut children: Vec<String> = children.map(Self::canonical).collect();
        let unordered = |child: &Self| child.name == "nvpair" || child.name == "op";
        if self.children.iter().all(unordered) {
            children.sort();
        }
        format!("({}{attributes:?}{})", self.name, children.concat())
    }

    fn is_empty_set(&self) -> bool {
        ["meta_attributes", "instance_attributes", "utilization"].contains(&self.name.as_str())
            && self.children.is_empty()
            && self.get("id-ref").is_none()
    }
}

impl From<roxmltree::Node<'_, '_>> for Element {
    fn from(node: roxmltree::Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().into(),
            attributes: node
                .attributes()
                .map(|attribute| (attribute.name().into(), attribute.value().into()))
                .collect(),
            children: node
                .children()
                .filter(roxmltree::Node::is_element)
                .map(Self::from)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back() {
        let text = "<a x=\"1\" y=\"&quot;&amp;&lt;&gt;&#10;\">\n  <b/>\n  <c id=\"d\"/>\n</a>\n";
        let tree = Element::parse(text).unwrap();
        assert_eq!(tree.text(), text);
        assert_eq!(tree.by_id("d").unwrap().name, "c");
    }

    #[test]
    fn order_counts_where_it_means_something() {
        let canonical = |text: &str| Element::parse(text).unwrap().canonical();
        let pairs = |text: &str| canonical(&format!("<s>{text}</s>"));
        let (a, b) = ("<nvpair id=\"a\"/>", "<nvpair id=\"b\"/>");
        assert_eq!(pairs(&format!("{a}{b}")), pairs(&format!("{b} {a}")));
        let (a, b) = ("<primitive id=\"a\"/>", "<primitive id=\"b\"/>");
        assert_ne!(pairs(&format!("{a}{b}")), pairs(&format!("{b}{a}")));
        assert_eq!(canonical("<a x='1' y='2'/>"), canonical("<a y='2' x='1'/>"));
        assert_ne!(canonical("<a x='1'/>"), canonical("<a x='2'/>"));
        let primitive = |set: &str| canonical(&format!("<primitive id='a'>{set}</primitive>"));
        assert_eq!(primitive("<meta_attributes id='b'/>"), primitive(""));
        assert_ne!(primitive("<meta_attributes id-ref='b'/>"), primitive(""));
        let pair = "<meta_attributes id='b'><nvpair id='c'/></meta_attributes>";
        assert_ne!(primitive(pair), primitive(""));
    }
}
