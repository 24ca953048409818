//! The cluster's answers, from a token into this host's files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::atomic;
use crate::node::host::Host;
use crate::node::ids;
use crate::node::key;
use crate::node::layout::{Layout, Subject};
use crate::node::problem::Failure;
use crate::node::secrets;
use crate::node::settings::{self, Change, Settings, means};
use crate::node::token::Token;
use crate::recipe::answer::{self, Answer, Answers};
use crate::recipe::model::{Question, QuestionType};

/// What is going to be written.
#[derive(Debug)]
pub struct Prepared {
    /// Name of the cluster.
    pub cluster: String,
    /// `nodeid` by name.
    pub ids: BTreeMap<String, u32>,
    /// The new text of cluster.toml.
    text: String,
    questions: Vec<Question>,
    passwords: BTreeMap<String, String>,
    paths: Vec<PathBuf>,
}

/// Validates a token's answers against the installed package; writes nothing.
///
/// # Errors
/// They do not fit it, or cluster.toml is no TOML.
pub fn prepare(host: &Host, token: &Token) -> Result<Prepared, Failure> {
    let layout = &host.layout;
    let questions = layout.load(&Subject::Cluster)?.question;
    let mut given = token.answers.clone();
    if questions.iter().any(|question| question.name == "setup") {
        given.insert("setup".into(), "form".into());
    }
    let answers = answer::validate(&questions, &given).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Failure::failed(
            format!(
                "the token does not fit this host's software: {}",
                wrong.join("; ")
            ),
            "install the same version of ubuntu-ha-node on all nodes".into(),
        )
    })?;
    let ids = match answers.get("nodes") {
        Some(Answer::NodeList(nodes)) if nodes.len() == token.ids.len() => {
            let names = nodes.iter().map(|node| node.name.clone());
            names.zip(token.ids.iter().copied()).collect()
        }
        _ => {
            return Err(Failure::failed(
                "the token does not give each node an id".into(),
                "have a new one issued by `ubuntu-ha token` on a node of the cluster".into(),
            ));
        }
    };
    let text = cluster_toml(layout, &questions, &answers)?;
    let passwords = answers
        .iter()
        .filter_map(|(name, answer)| match answer {
            Answer::Password(secret) => Some((name.clone(), secret.expose().to_string())),
            _ => None,
        })
        .collect();
    Ok(Prepared {
        cluster: answers
            .get("cluster_name")
            .map(Answer::text)
            .unwrap_or_default(),
        ids,
        text,
        passwords,
        paths: paths(layout, &questions),
        questions,
    })
}

/// Everything that [`Prepared::write`] and its caller may change.
fn paths(layout: &Layout, questions: &[Question]) -> Vec<PathBuf> {
    let mut paths = vec![
        layout.answers(&Subject::Cluster),
        key::path(layout),
        ids::path(layout),
    ];
    let passwords = questions
        .iter()
        .filter(|q| q.kind == QuestionType::Password);
    paths.extend(passwords.map(|q| layout.secrets(&Subject::Cluster).join(&q.name)));
    paths
}

/// The present file, comments kept, with the cluster's answers; what the
/// cluster does not answer is taken back.
fn cluster_toml(
    layout: &Layout,
    questions: &[Question],
    answers: &Answers,
) -> Result<String, Failure> {
    let subject = Subject::Cluster;
    let old = layout
        .read_answers(&subject)?
        .unwrap_or_else(|| settings::header(&subject.package(), subject.name()));
    let no_toml = |error: settings::SyntaxError| {
        let path = layout.answers(&subject);
        Failure::failed(
            format!("{}:{}: {}", path.display(), error.line, error.message),
            "mend that line, or move the file away".into(),
        )
    };
    let settings = Settings::parse(&old).map_err(no_toml)?;
    let mut changes = Vec::new();
    for question in questions.iter().filter(|q| settings::is_kept(q)) {
        let entry = settings.get(&question.name);
        match (answers.get(&question.name), entry) {
            (Some(answer), Some(entry)) if entry.plain && means(entry, question, answer) => {}
            (Some(answer), _) => changes.push(Change::Set(question, answer)),
            (None, Some(entry)) if entry.value.as_deref() != Some("") => {
                changes.push(Change::Clear(question));
            }
            (None, _) => {}
        }
    }
    settings::edit(&old, &changes).map_err(no_toml)
}

impl Prepared {
    /// Files that have to be kept first.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Writes cluster.toml and the passwords.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, host: &Host) -> Result<(), Failure> {
        let layout = &host.layout;
        let subject = Subject::Cluster;
        for question in self.questions.iter().filter(|q| !settings::is_kept(q)) {
            if !self.passwords.contains_key(&question.name) && question.name != "join_token" {
                secrets::forget(layout, &subject, &question.name)?;
            }
        }
        let problems = secrets::store(layout, &subject, &self.questions, &self.passwords)?;
        if !problems.is_empty() {
            return Err(Failure::Refused(problems));
        }
        atomic::create_dir_all(&layout.etc(), 0o755)?;
        atomic::replace(&layout.answers(&subject), self.text.as_bytes(), 0o644)?;
        Ok(())
    }
}
