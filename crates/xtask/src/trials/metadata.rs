//! The recipes' agents, held against what the suite's agents say of themselves.

use std::collections::BTreeMap;

use hapkg::cluster::{AgentMetadata, Input, Platform, RoleAnswers, agents, design};
use hapkg::recipe::compiled::CompiledRole;

use crate::case::Case;
use crate::machine::Machine;
use crate::stop::Stop;

/// Whatever an example's design refuses, knowing the metadata of all agents
/// that the suite's packages brought.
pub fn check(case: &Case, machine: &Machine) -> Result<Vec<String>, Stop> {
    let mut wrong = Vec::new();
    let mut read = 0;
    for (name, role) in &case.world.roles {
        let compiled = CompiledRole::from(&role.recipe);
        let cluster = role.expected(&case.world.node.question)?;
        let own = role.expected(&role.recipe.question)?;
        let answered = RoleAnswers {
            role: &compiled,
            answers: &own,
        };
        let mut platform = Platform::trusted();
        for agent in agents(&cluster, [answered].into_iter()) {
            if let Some(text) = said(machine, &agent)? {
                let metadata = AgentMetadata::parse(&text)
                    .map_err(|why| Stop::failed(format!("{agent}: {why}")))?;
                platform.agents.insert(agent, metadata);
                read += 1;
            }
        }
        let input = Input {
            cluster: &cluster,
            roles: vec![answered],
            platform: &platform,
            ids: &BTreeMap::new(),
        };
        if let Err(refusals) = design(&input) {
            let messages = refusals
                .iter()
                .map(|one| format!("{name}: {}", one.message));
            wrong.extend(messages);
        }
    }
    if read == 0 {
        wrong.push("no agent says anything".into());
    }
    Ok(wrong)
}

/// What an agent says, where it is installed.
fn said(machine: &Machine, agent: &str) -> Result<Option<String>, Stop> {
    let (path, action) = match agent.split(':').collect::<Vec<_>>().as_slice() {
        ["ocf", provider, kind] => (
            format!("/usr/lib/ocf/resource.d/{provider}/{kind}"),
            "meta-data",
        ),
        ["stonith", kind] => (format!("/usr/sbin/{kind}"), "-o metadata"),
        _ => return Ok(None),
    };
    let script = format!(
        "export OCF_ROOT=/usr/lib/ocf
if [ -e {path} ]; then
    {path} {action}
fi"
    );
    let text = machine.quiet(&script)?;
    Ok((!text.is_empty()).then_some(text))
}
