//! The design itself.

use std::collections::BTreeSet;

use super::check::{self, Draft};
use super::expand::{self, Role};
use super::fence::{self, Plan};
use super::refuse::Refusals;
use super::settings::{self, Settings};
use super::{Desired, DesiredFile, Input, Platform, Refusal, RoleAnswers};
use super::{cib, corosync, dlm, drbd, sbd, storage, structure};
use crate::recipe::answer::Answers;

/// Full names of the agents that a design of this would use, fence agents
/// among them: those whose metadata [`Platform`] should have.
pub fn agents<'a>(
    cluster: &'a Answers,
    roles: impl Iterator<Item = RoleAnswers<'a>>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for role in roles {
        let role = expand::expand(&role, cluster);
        names.extend(role.resources.into_iter().map(|resource| resource.agent));
    }
    let input = Input {
        cluster,
        roles: Vec::new(),
        platform: &Platform::trusted(),
        ids: &Default::default(),
    };
    if let Some(settings) = settings::read(&input, &mut Refusals::default()) {
        names.extend(fence::agents(&settings));
    }
    names
}

/// Designs the cluster.
///
/// # Errors
/// Everything that the answers contradict, at once; among it what `corosync -t`
/// and `crm_verify` let pass.
pub fn design(input: &Input<'_>) -> Result<Desired, Vec<Refusal>> {
    let mut refusals = Refusals::default();
    let Some(settings) = settings::read(input, &mut refusals) else {
        return Err(refusals.into_list());
    };
    let roles: Vec<Role> = input
        .roles
        .iter()
        .map(|role| expand::expand(role, input.cluster))
        .collect();
    let fencing = fence::plan(&settings, &roles, input.platform, &mut refusals);
    let mut notes = Vec::new();
    let draft = Draft {
        settings: &settings,
        fencing: &fencing,
        roles: &roles,
        platform: input.platform,
    };
    check::check(&draft, &mut refusals, &mut notes);
    let desired = Desired {
        files: files(&settings, &fencing, &roles, input.platform),
        cib: cib::document(&settings, &fencing, &roles),
        resources: structure::parts(&fencing, &roles),
        storage: storage::list(&settings, &roles),
        roles: roles.iter().map(|role| role.name.to_owned()).collect(),
        notes,
        sbd: fencing.sbd_watchdog.as_ref().map(|_| settings.sbd()),
        fencing: fencing.fencing,
        name: settings.name,
        members: settings.members,
    };
    refusals.into_result(desired)
}

/// In the order in which they are written: corosync.conf says that the others
/// are there.
fn files(
    settings: &Settings,
    fencing: &Plan,
    roles: &[Role],
    platform: &Platform,
) -> Vec<DesiredFile> {
    let file = |path: String, text: String| DesiredFile {
        path,
        content: text.into_bytes(),
        mode: 0o644,
        secret: false,
    };
    let mut files = Vec::new();
    for (resource, _) in roles.iter().flat_map(|role| &role.drbd) {
        let text = drbd::conf(resource, &settings.members, platform.drbd);
        files.push(file(drbd::path(&resource.name), text));
    }
    if let Some(watchdog) = &fencing.sbd_watchdog {
        let text = sbd::conf(fencing.sbd_disk.as_deref(), watchdog, settings.sbd());
        files.push(file(sbd::PATH.into(), text));
    }
    if dlm::is_used(roles) {
        files.push(file(dlm::PATH.into(), dlm::conf()));
    }
    files.push(file(
        "etc/corosync/corosync.conf".into(),
        corosync::conf(settings),
    ));
    files
}
