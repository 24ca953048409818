//! Clusters to design: recipes, answers, and what a test changes in them.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hapkg::cluster::{Desired, DrbdVersion, Input, Platform, Refusal, RoleAnswers, design};
use hapkg::recipe::answer::{Answer, Answers, parse_answer, validate};
use hapkg::recipe::compiled::CompiledRole;
use hapkg::recipe::model::{Question, Recipe};

/// The directory of the package.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is designed.
pub struct Cluster {
    pub cluster: Answers,
    pub roles: Vec<(CompiledRole, Answers)>,
    pub platform: Platform,
    pub ids: BTreeMap<String, u32>,
}

impl Cluster {
    /// The role with its example answers, fenced as they say.
    pub fn example(role: &str) -> Self {
        let path = home().join(format!("recipes/answers/{role}.toml"));
        let text = fs::read_to_string(&path).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let mut cluster = Self {
            cluster: Answers::new(),
            roles: Vec::new(),
            platform: Platform::trusted(),
            ids: BTreeMap::new(),
        };
        for (name, value) in texts(&table["cluster"]) {
            cluster = cluster.answer(&name, &value);
        }
        cluster.role(role)
    }

    /// One more role with its example answers.
    pub fn role(mut self, name: &str) -> Self {
        let (role, given) = (compiled(name), example_answers(name));
        let answers = validate(&role.question, &given).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        self.roles.push((role, answers));
        self.roles
            .sort_by(|(a, _), (b, _)| a.role.name.cmp(&b.role.name));
        self
    }

    /// Another answer to the node recipe's question; an empty one is none.
    pub fn answer(mut self, name: &str, text: &str) -> Self {
        self.cluster.remove(name);
        if !text.is_empty() {
            self.cluster.insert(name.into(), cluster_answer(name, text));
        }
        self
    }

    /// Another answer to the question of a role; an empty one is none.
    pub fn role_answer(mut self, role: &str, name: &str, text: &str) -> Self {
        let found = self.roles.iter_mut().find(|(r, _)| r.role.name == role);
        let (role, answers) = found.unwrap();
        let question = role.question.iter().find(|q| q.name == name).unwrap();
        answers.remove(name);
        if !text.is_empty() {
            answers.insert(name.into(), parse_answer(question, text).unwrap());
        }
        self
    }

    /// Something else in the recipe of a role.
    pub fn recipe(mut self, role: &str, change: impl FnOnce(&mut CompiledRole)) -> Self {
        let found = self.roles.iter_mut().find(|(r, _)| r.role.name == role);
        change(&mut found.unwrap().0);
        self
    }

    pub fn drbd_9(mut self) -> Self {
        self.platform.drbd = DrbdVersion::V9;
        self
    }

    pub fn design(&self) -> Result<Desired, Vec<Refusal>> {
        let roles = self.roles.iter();
        design(&Input {
            cluster: &self.cluster,
            roles: roles
                .map(|(role, answers)| RoleAnswers { role, answers })
                .collect(),
            platform: &self.platform,
            ids: &self.ids,
        })
    }

    pub fn desired(&self) -> Desired {
        self.design()
            .unwrap_or_else(|refusals| panic!("{refusals:#?}"))
    }
}

/// The node recipe's questions.
pub fn node_questions() -> Vec<Question> {
    compiled("support/node").question
}

/// An answer to a question of the node recipe. What the question would refuse
/// is taken as it stands: a design trusts nobody.
pub fn cluster_answer(name: &str, text: &str) -> Answer {
    let questions = node_questions();
    let question = questions.iter().find(|q| q.name == name).unwrap();
    parse_answer(question, text).unwrap_or_else(|_| match text.parse() {
        Ok(number) => Answer::Integer(number),
        Err(_) => Answer::Text(text.into()),
    })
}

/// A recipe as the node program reads it.
pub fn compiled(name: &str) -> CompiledRole {
    let path = home().join(format!("recipes/{name}.toml"));
    let text = fs::read_to_string(path).unwrap();
    let recipe: Recipe = toml::from_str(&text).unwrap();
    CompiledRole::from(&recipe)
}

fn example_answers(role: &str) -> BTreeMap<String, String> {
    let path = home().join(format!("recipes/answers/{role}.toml"));
    let table: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
    texts(&table["role"])
}

fn texts(table: &toml::Value) -> BTreeMap<String, String> {
    let table = table.as_table().unwrap().iter();
    table
        .map(|(name, value)| {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), text)
        })
        .collect()
}

/// Where the expected files of a cluster are.
pub fn golden(name: &str) -> PathBuf {
    home().join("tests/cluster").join(name)
}
