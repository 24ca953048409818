//! What of a recipe is needed on a node: `/usr/share/ubuntu-ha/roles/*.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{
    CloneSpec, Colocation, Drbd, Fencing, Filesystem, Group, Kind, Lvm, Order, Question, Recipe,
    Resource,
};

/// A recipe without what only packaging needs. Written by hapkg, read by the
/// node program of the same or a later version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompiledRole {
    pub role: CompiledHead,
    #[serde(default, skip_serializing_if = "is_default")]
    pub fencing: Fencing,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub property: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub question: Vec<Question>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drbd: Vec<Drbd>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lvm: Vec<Lvm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filesystem: Vec<Filesystem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<Resource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clone: Vec<CloneSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Order>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub colocation: Vec<Colocation>,
}

/// The head of a compiled role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompiledHead {
    pub name: String,
    #[serde(default)]
    pub kind: Kind,
    pub summary: String,
    /// The recipe's own version, without a suite's suffix.
    pub version: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<&Recipe> for CompiledRole {
    fn from(recipe: &Recipe) -> Self {
        CompiledRole {
            role: CompiledHead {
                name: recipe.role.name.clone(),
                kind: recipe.role.kind,
                summary: recipe.role.summary.clone(),
                version: recipe.role.version.clone(),
            },
            fencing: recipe.fencing.clone(),
            property: recipe.property.clone(),
            question: recipe.question.clone(),
            drbd: recipe.drbd.clone(),
            lvm: recipe.lvm.clone(),
            filesystem: recipe.filesystem.clone(),
            resource: recipe.resource.clone(),
            group: recipe.group.clone(),
            clone: recipe.clone.clone(),
            order: recipe.order.clone(),
            colocation: recipe.colocation.clone(),
        }
    }
}

impl CompiledRole {
    /// TOML text; the same role gives the same bytes.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("strings, numbers, lists and maps by string are TOML")
    }

    /// Reads back what [`CompiledRole::to_toml`] wrote; the error says where
    /// the text is wrong.
    pub fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = r#"
        property.no-quorum-policy = "stop"
        [role]
        name = "web"
        summary = "web server"
        description = "A web server."
        version = "1.0"
        [[question]]
        name = "mode"
        type = "choice"
        prompt = "Mode:"
        help = "Either."
        default = "plain"
        choices = ["plain", "tls"]
        [[question]]
        name = "vip"
        type = "address/prefix"
        prompt = "Address:"
        help = "One \"quoted\" line.\n\nAnother."
        when = { mode = "plain" }
        [[resource]]
        id = "ip"
        agent = "ocf:heartbeat:IPaddr2"
        params = { ip = "{{ vip.address }}" }
        meta = { migration-threshold = "3" }
        monitor = "10s"
        when = { mode = "plain" }
        [[resource.operation]]
        name = "start"
        timeout = "20s"
        [[lvm]]
        id = "vg"
        device = "/dev/vdb"
        volumes = { data = "100%FREE" }
        erase = "erase"
        [[group]]
        id = "all"
        members = ["ip"]
    "#;

    #[test]
    fn a_compiled_role_reads_back_the_same() {
        let recipe: Recipe = toml::from_str(RECIPE).unwrap();
        let compiled = CompiledRole::from(&recipe);
        let text = compiled.to_toml();
        assert_eq!(CompiledRole::from_toml(&text).unwrap(), compiled, "{text}");
        assert!(!text.contains("description"), "{text}");
        assert!(!text.contains("fencing"), "{text}");
    }

    #[test]
    fn an_error_says_where() {
        let error = CompiledRole::from_toml("[role]\nname = 1\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        let recipe: Recipe = toml::from_str(RECIPE).unwrap();
        let newer = CompiledRole::from(&recipe).to_toml() + "\n[later]\nx = 1\n";
        let error = CompiledRole::from_toml(&newer).unwrap_err();
        assert!(error.to_string().contains("`later`"), "{error}");
    }
}
