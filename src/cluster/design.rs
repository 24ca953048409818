//! The design itself.

use std::collections::BTreeSet;

use super::{Desired, Input, Refusal, RoleAnswers};
use crate::recipe::answer::Answers;

/// Full names of the agents that a design of this would use, fence agents
/// among them: those whose metadata [`super::Platform`] should have.
pub fn agents<'a>(
    _cluster: &Answers,
    _roles: impl Iterator<Item = RoleAnswers<'a>>,
) -> BTreeSet<String> {
    BTreeSet::new()
}

/// Designs the cluster.
///
/// # Errors
/// Everything that the answers contradict, at once; among it what `corosync -t`
/// and `crm_verify` let pass.
pub fn design(_input: &Input<'_>) -> Result<Desired, Vec<Refusal>> {
    Err(Vec::new())
}
