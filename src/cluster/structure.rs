//! Which resources there are, and what each stands in.

use super::expand::Role;
use super::fence::Plan;
use super::{Desired, Part, PartKind};

/// All resources: those of fence devices first, then role by role, the outer
/// ones before what is in them.
pub(super) fn parts(fencing: &Plan, roles: &[Role]) -> Vec<Part> {
    let device = |device: &super::FenceDevice| Part {
        id: device.id.clone(),
        role: None,
        kind: PartKind::Primitive,
        agent: Some(format!("stonith:{}", device.agent)),
        inside: None,
    };
    let mut all: Vec<Part> = fencing.devices().iter().map(device).collect();
    for role in roles {
        let part = |id: &str, kind, agent, inside: Option<&str>| Part {
            id: role.id(id),
            role: Some(role.name.to_owned()),
            kind,
            agent,
            inside: inside.map(|id| role.id(id)),
        };
        for clone in &role.clones {
            let kind = if clone.promotable {
                PartKind::Promotable
            } else {
                PartKind::Clone
            };
            all.push(part(&clone.id, kind, None, None));
        }
        for (id, _) in &role.groups {
            let inside = role.clone_of(id).map(|clone| clone.id.as_str());
            all.push(part(id, PartKind::Group, None, inside));
        }
        for resource in &role.resources {
            let id = resource.recipe.id.as_str();
            let group = role
                .groups
                .iter()
                .find(|(_, members)| members.contains(&id));
            let clone = role.clone_of(id).map(|clone| clone.id.as_str());
            let inside = group.map(|(id, _)| *id).or(clone);
            let agent = Some(resource.agent.clone());
            all.push(part(id, PartKind::Primitive, agent, inside));
        }
    }
    all
}

impl Desired {
    /// The resources of a role.
    pub fn resources_of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Part> {
        let of_role = move |part: &&Part| part.role.as_deref() == Some(role);
        self.resources.iter().filter(of_role)
    }

    /// The outermost resource that `id` stands in: what is started, stopped and
    /// moved as a whole.
    pub fn outermost<'a>(&'a self, id: &'a str) -> &'a str {
        let mut at = id;
        while let Some(part) = self.resources.iter().find(|part| part.id == at) {
            match &part.inside {
                Some(outer) => at = outer,
                None => break,
            }
        }
        at
    }
}
