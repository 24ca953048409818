//! A role with its templates expanded and its conditions decided.

use std::collections::{BTreeMap, BTreeSet};

use super::RoleAnswers;
use super::drbd;
use crate::recipe::answer::{self, Answer, Answers};
use crate::recipe::compiled::CompiledRole;
use crate::recipe::model;
use crate::recipe::template::{self, Piece};

/// What of a role there is, under these answers.
#[derive(Debug)]
pub(super) struct Role<'a> {
    pub recipe: &'a CompiledRole,
    pub name: &'a str,
    pub resources: Vec<Resource<'a>>,
    /// Groups with the members that are present; none is empty.
    pub groups: Vec<(&'a str, Vec<&'a str>)>,
    pub clones: Vec<&'a model::CloneSpec>,
    pub orders: Vec<&'a model::Order>,
    pub colocations: Vec<&'a model::Colocation>,
    pub properties: BTreeMap<&'a str, String>,
    pub drbd: Vec<(drbd::Resource, &'a model::Drbd)>,
    pub lvm: Vec<Lvm<'a>>,
    pub filesystems: Vec<Filesystem<'a>>,
    texts: Texts<'a>,
}

/// A primitive.
#[derive(Debug)]
pub(super) struct Resource<'a> {
    pub recipe: &'a model::Resource,
    /// `ocf:heartbeat:IPaddr2`.
    pub agent: String,
    /// Without the empty ones.
    pub params: BTreeMap<&'a str, String>,
    pub meta: BTreeMap<&'a str, String>,
}

/// A volume group.
#[derive(Debug)]
pub(super) struct Lvm<'a> {
    pub recipe: &'a model::Lvm,
    pub device: String,
    pub volumes: Vec<(String, String)>,
}

/// A filesystem.
#[derive(Debug)]
pub(super) struct Filesystem<'a> {
    pub recipe: &'a model::Filesystem,
    pub device: String,
    pub kind: String,
    pub mount: String,
}

/// Where templates look their references up.
#[derive(Debug, Clone, Copy)]
struct Texts<'a> {
    cluster: &'a Answers,
    own: &'a Answers,
}

/// Expands the role.
pub(super) fn expand<'a>(role: &RoleAnswers<'a>, cluster: &'a Answers) -> Role<'a> {
    let recipe = role.role;
    let texts = Texts {
        cluster,
        own: role.answers,
    };
    let map = |values: &'a BTreeMap<String, String>| -> BTreeMap<&'a str, String> {
        let values = values
            .iter()
            .map(|(name, value)| (name.as_str(), texts.expand(value)));
        values.filter(|(_, value)| !value.is_empty()).collect()
    };
    let resources: Vec<Resource> = recipe
        .resource
        .iter()
        .filter(|resource| answer::holds(&resource.when, texts.own))
        .map(|resource| Resource {
            recipe: resource,
            agent: texts.expand(&resource.agent),
            params: map(&resource.params),
            meta: map(&resource.meta),
        })
        .collect();
    let mut present: BTreeSet<&str> = resources.iter().map(|r| r.recipe.id.as_str()).collect();
    let mut groups = Vec::new();
    for group in &recipe.group {
        let members = group.members.iter().map(String::as_str);
        let members: Vec<&str> = members.filter(|id| present.contains(id)).collect();
        if !members.is_empty() {
            groups.push((group.id.as_str(), members));
        }
    }
    present.extend(groups.iter().map(|(id, _)| *id));
    let clones: Vec<&model::CloneSpec> = recipe
        .clone
        .iter()
        .filter(|clone| present.contains(clone.of.as_str()))
        .collect();
    present.extend(clones.iter().map(|clone| clone.id.as_str()));
    let both =
        |a: &String, b: &String| present.contains(a.as_str()) && present.contains(b.as_str());
    Role {
        recipe,
        name: &recipe.role.name,
        orders: (recipe.order.iter())
            .filter(|order| both(&order.first, &order.then))
            .collect(),
        colocations: (recipe.colocation.iter())
            .filter(|colocation| both(&colocation.resource, &colocation.with))
            .collect(),
        properties: map(&recipe.property),
        drbd: (recipe.drbd.iter())
            .map(|drbd| {
                let resource = drbd::Resource {
                    name: drbd.id.clone(),
                    device: texts.expand(&drbd.device),
                    minor: drbd.minor,
                    port: drbd.port,
                };
                (resource, drbd)
            })
            .collect(),
        lvm: (recipe.lvm.iter())
            .map(|lvm| Lvm {
                recipe: lvm,
                device: texts.expand(&lvm.device),
                volumes: (lvm.volumes.iter())
                    .map(|(name, size)| (name.clone(), texts.expand(size)))
                    .collect(),
            })
            .collect(),
        filesystems: (recipe.filesystem.iter())
            .map(|filesystem| Filesystem {
                recipe: filesystem,
                device: texts.expand(&filesystem.device),
                kind: texts.expand(&filesystem.kind),
                mount: texts.expand(&filesystem.mount),
            })
            .collect(),
        resources,
        groups,
        clones,
        texts,
    }
}

impl<'a> Role<'a> {
    /// The id that a recipe's `id` has in the CIB. A role's name may begin with
    /// a digit and hold a `+`, which an XML id may not.
    pub fn id(&self, id: &str) -> String {
        let name = self.name.replace('+', "_");
        let before = if name.starts_with(|c: char| c.is_ascii_digit()) {
            "_"
        } else {
            ""
        };
        format!("{before}{name}-{id}")
    }

    /// The answer to a boolean question; an unanswered one is no.
    pub fn is_true(&self, question: &str) -> bool {
        self.texts.own.get(question) == Some(&Answer::Boolean(true))
    }

    /// The devices that the role takes, each with the template that named it;
    /// without those that it makes itself.
    pub fn devices(&self) -> Vec<(&str, &'a str)> {
        let drbd = self.drbd.iter();
        let drbd = drbd.map(|(resource, recipe)| (resource.device.as_str(), &recipe.device));
        let lvm = self.lvm.iter();
        let lvm = lvm.map(|lvm| (lvm.device.as_str(), &lvm.recipe.device));
        let filesystems = self.filesystems.iter();
        let filesystems = filesystems.map(|fs| (fs.device.as_str(), &fs.recipe.device));
        drbd.chain(lvm)
            .chain(filesystems)
            .filter(|(device, _)| device.starts_with('/'))
            .map(|(device, template)| (device, template.as_str()))
            .collect()
    }

    /// The role's question whose answer stands in `template`, the first one.
    pub fn question_in(&self, template: &'a str) -> Option<&'a str> {
        let pieces = template::parse(template).unwrap_or_default();
        pieces.into_iter().find_map(|piece| match piece {
            Piece::Reference(reference) if !reference.cluster => Some(reference.question),
            _ => None,
        })
    }

    /// The prefix length that was answered together with the address in
    /// `template`.
    pub fn prefix_in(&self, template: &'a str) -> Option<u8> {
        match self.texts.own.get(self.question_in(template)?)? {
            Answer::AddressPrefix { prefix, .. } => Some(*prefix),
            _ => None,
        }
    }

    /// The clone that holds the resource or its group.
    pub fn clone_of(&self, id: &str) -> Option<&'a model::CloneSpec> {
        let group = self
            .groups
            .iter()
            .find(|(_, members)| members.contains(&id));
        let group = group.map(|(id, _)| *id);
        let inside =
            |clone: &&&model::CloneSpec| clone.of == id || Some(clone.of.as_str()) == group;
        self.clones.iter().find(inside).copied()
    }
}

impl Texts<'_> {
    /// The value with every reference replaced; an answer that is not there is
    /// nothing. A value that is no template stays as it is: the recipe's check
    /// would have refused it.
    fn expand(&self, value: &str) -> String {
        let Ok(pieces) = template::parse(value) else {
            return value.to_owned();
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Reference(reference) => {
                    let from = if reference.cluster {
                        self.cluster
                    } else {
                        self.own
                    };
                    if let Some(answer) = from.get(reference.question) {
                        text.push_str(&field(answer, reference.field));
                    }
                }
            }
        }
        text
    }
}

fn field(answer: &Answer, field: Option<&str>) -> String {
    match (answer, field) {
        (Answer::AddressPrefix { address, .. }, Some("address")) => address.to_string(),
        (Answer::AddressPrefix { prefix, .. }, Some("prefix")) => prefix.to_string(),
        (Answer::NodeList(nodes), Some("count")) => nodes.len().to_string(),
        (Answer::NodeList(nodes), Some("names")) => {
            let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            names.join(" ")
        }
        _ => answer.text(),
    }
}
