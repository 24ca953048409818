//! `hapkg plan`.

use std::path::{Path, PathBuf};

use super::print;
use crate::build;
use crate::cluster::show::{FileState, Plan, compare};
use crate::cluster::simulate::{Error, simulate};
use crate::cluster::{Desired, DrbdVersion, Input, Platform, Refusal, RoleAnswers, design};
use crate::failure::Failure;
use crate::recipe::answer;
use crate::recipe::compiled::CompiledRole;
use crate::simulator::CrmSimulate;

/// Show the files, the CIB and the simulated failover of a role.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a role, or path of its recipe.
    #[arg(value_name = "RECIPE")]
    role: String,
    /// File with a table `[cluster]` and a table `[role]` of answers.
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    /// Simulate the failure of this node [default: of each node in turn].
    #[arg(long, value_name = "NODE")]
    fail: Vec<String>,
    /// Suite whose pacemaker the plan is for [default: the newest].
    #[arg(long, value_name = "SUITE")]
    suite: Option<String>,
    /// Show the whole CIB too, without passwords.
    #[arg(long)]
    cib: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let desired = desired(args, recipes)?;
    for node in &args.fail {
        if desired.members.iter().all(|member| member.name != *node) {
            let names: Vec<&str> = desired.members.iter().map(|m| m.name.as_str()).collect();
            return Err(Failure::usage(format!(
                "--fail {node}: the nodes are {}",
                names.join(", ")
            )));
        }
    }
    let fail = if args.fail.is_empty() {
        desired.members.iter().map(|m| m.name.clone()).collect()
    } else {
        args.fail.clone()
    };
    let program = CrmSimulate::find().ok_or_else(|| {
        Failure::environment(
            "crm_simulate is not installed; install the package pacemaker-cli-utils",
        )
    })?;
    let mut simulator = CrmSimulate::new(&program)
        .map_err(|e| Failure::environment(format!("making a temporary directory: {e}")))?;
    let runs = simulate(&desired, &fail, &mut simulator).map_err(|error| match error {
        Error::Tool(text) => Failure::environment(text),
        Error::Output(text) => Failure::no(text),
    })?;
    let plan = Plan {
        files: desired
            .files
            .iter()
            .map(|file| compare(file, None))
            .collect(),
        cib: FileState::New,
        desired: &desired,
        runs,
    };
    if args.json {
        print(&format!("{:#}\n", plan.json()))
    } else {
        print(&plan.text(args.cib))
    }
}

/// The cluster that a recipe and its answers amount to.
fn desired(args: &Args, recipes: &Path) -> Result<Desired, Failure> {
    let names: Vec<String> = args.suite.iter().cloned().collect();
    let suites = build::suites(&names)?;
    let suite = suites
        .last()
        .ok_or_else(|| Failure::usage("there is no suite"))?;
    let surroundings = build::context(recipes)?;
    let paths = build::find(std::slice::from_ref(&args.role), recipes)?;
    let loaded = build::load(&paths, &surroundings)?;
    let one = loaded
        .first()
        .ok_or_else(|| Failure::usage(format!("{}: no such recipe", args.role)))?;
    let given = build::answers(&args.answers)?;
    build::validate(&args.answers, &given, &one.recipe, surroundings.node())?;
    let validated = |questions, given| {
        answer::validate(questions, given).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::no(lines.join("\n"))
        })
    };
    let cluster = validated(&surroundings.node().question, &given.cluster)?;
    let answers = validated(&one.recipe.question, &given.role)?;
    let role = CompiledRole::from(&one.recipe);
    let platform = Platform {
        pacemaker: suite.pacemaker,
        drbd: DrbdVersion::V8_4,
        agents: std::collections::BTreeMap::new(),
        agents_known: false,
    };
    let input = Input {
        cluster: &cluster,
        roles: vec![RoleAnswers {
            role: &role,
            answers: &answers,
        }],
        platform: &platform,
        ids: &std::collections::BTreeMap::new(),
    };
    design(&input).map_err(|refusals| {
        let lines: Vec<String> = refusals
            .iter()
            .map(|refusal| line(&args.answers, refusal))
            .collect();
        Failure::no(lines.join("\n       "))
    })
}

fn line(answers: &Path, refusal: &Refusal) -> String {
    let table = if refusal.role.is_some() {
        "role"
    } else {
        "cluster"
    };
    let question = refusal
        .question
        .as_ref()
        .map(|name| format!("{name}: "))
        .unwrap_or_default();
    format!(
        "{}: [{table}] {question}{}",
        answers.display(),
        refusal.message
    )
}
