//! What contradicts what: everything, at once.

mod agents;
mod between;
mod fencing;
mod limits;
mod nodes;
mod virtual_ip;

use super::Platform;
use super::expand::Role;
use super::fence::Plan;
use super::refuse::Refusals;
use super::settings::Settings;

/// A design before it is one.
pub(super) struct Draft<'a> {
    pub settings: &'a Settings<'a>,
    pub fencing: &'a Plan,
    pub roles: &'a [Role<'a>],
    pub platform: &'a Platform,
}

/// Adds every contradiction to `refusals`, and to `notes` what the
/// administrator should know.
pub(super) fn check(draft: &Draft, refusals: &mut Refusals, notes: &mut Vec<String>) {
    nodes::check(draft, refusals, notes);
    fencing::check(draft, refusals, notes);
    for role in draft.roles {
        virtual_ip::check(draft, role, refusals, notes);
        limits::check(draft, role, refusals);
        agents::check(draft, role, refusals);
    }
    agents::fence_agents(draft, refusals);
    between::check(draft, refusals);
}
