//! Lengths and characters that cluster filesystems and lock managers take.

use super::Draft;
use crate::cluster::expand::{Filesystem, Role};
use crate::cluster::refuse::Refusals;
use crate::cluster::settings::question::CLUSTER_NAME;
use crate::cluster::storage;

/// `OCFS2_CLUSTER_NAME_LEN`.
const OCFS2_CLUSTER: usize = 16;

/// mkfs.gfs2(8), `-t`.
const GFS2_CLUSTER: usize = 32;
const GFS2_LOCK_SPACE: usize = 30;

/// `DLM_LOCKSPACE_LEN`, less the `lvm_` that lvmlockd puts before it.
const LVM_LOCK_SPACE: usize = 64 - 4;

pub(super) fn check(draft: &Draft, role: &Role, refusals: &mut Refusals) {
    for filesystem in &role.filesystems {
        match filesystem.kind.as_str() {
            "gfs2" => gfs2(draft, role, filesystem, refusals),
            "ocfs2" => length(draft, role, "OCFS2", OCFS2_CLUSTER, refusals),
            _ => {}
        }
    }
    for lvm in role.lvm.iter().filter(|lvm| lvm.recipe.shared) {
        if lvm.recipe.id.len() > LVM_LOCK_SPACE {
            let message = format!(
                "the shared volume group {} has more than {LVM_LOCK_SPACE} characters, which \
                 lvmlockd cannot lock; give it a shorter name in the recipe",
                lvm.recipe.id
            );
            refusals.role(role.name, None, message);
        }
    }
}

fn length(draft: &Draft, role: &Role, what: &str, most: usize, refusals: &mut Refusals) {
    let name = &draft.settings.name;
    if name.len() > most {
        refusals.cluster(
            CLUSTER_NAME,
            format!(
                "`{name}` has {} characters, and {what} in role {} takes {most}; write a shorter \
                 name",
                name.len(),
                role.name
            ),
        );
    }
}

fn gfs2(draft: &Draft, role: &Role, filesystem: &Filesystem, refusals: &mut Refusals) {
    length(draft, role, "GFS2", GFS2_CLUSTER, refusals);
    let name = &draft.settings.name;
    if let Some(bad) = name.chars().find(|&c| !storage::is_lock_character(c)) {
        refusals.cluster(
            CLUSTER_NAME,
            format!(
                "`{name}` holds {bad:?}, which GFS2 in role {} does not take; write letters, \
                 digits and hyphens",
                role.name
            ),
        );
    }
    let space = storage::lock_space(role, filesystem);
    if space.len() > GFS2_LOCK_SPACE {
        let message = format!(
            "the lock space {space} has more than {GFS2_LOCK_SPACE} characters, which GFS2 does \
             not take; give the filesystem a shorter id in the recipe"
        );
        refusals.role(role.name, None, message);
    }
}
