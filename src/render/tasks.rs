//! The tasksel description of all roles, and a check of such descriptions.

mod lint;

use serde::Serialize;

use crate::recipe::model::{Kind, Recipe};
use crate::recipe::view::package_name;

use super::text::task;
use super::{Error, templates};

pub use lint::lint_desc;

/// The task that stands above the roles in the menu.
const PARENT: &str = "ubuntu-ha";

/// One stanza.
#[derive(Debug, Serialize)]
pub struct Task {
    pub name: String,
    parent: Option<&'static str>,
    relevance: u8,
    title: String,
    description: String,
    /// The only package that the task installs, and removes.
    pub package: String,
}

/// The tasks of the roles that have one, behind the one they stand under;
/// none where no role has one.
pub fn tasks(roles: &[Recipe]) -> Vec<Task> {
    let mut own: Vec<Task> = roles
        .iter()
        .filter(|recipe| recipe.role.kind == Kind::Role)
        .filter_map(|recipe| {
            let tasksel = recipe.tasksel.as_ref()?;
            let text = [
                &tasksel.description,
                &recipe.role.description,
                &tasksel.title,
            ]
            .into_iter()
            .find(|text| !task(text).is_empty())?;
            Some(Task {
                name: package_name(&recipe.role.name),
                parent: Some(PARENT),
                relevance: tasksel.relevance.min(9),
                title: tasksel.title.replace(['\\', '$'], ""),
                description: text.clone(),
                package: package_name(&recipe.role.name),
            })
        })
        .collect();
    if own.is_empty() {
        return own;
    }
    own.sort_by(|a, b| (a.relevance, &a.name).cmp(&(b.relevance, &b.name)));
    own.insert(
        0,
        Task {
            name: PARENT.into(),
            parent: None,
            relevance: 5,
            title: "High-availability cluster node".into(),
            description: "The program that forms and checks a cluster of pacemaker and corosync, \
                          and the questions common to all of its roles. Choose a role below it \
                          for a service that survives the loss of a node."
                .into(),
            package: package_name("node"),
        },
    );
    own
}

/// `ubuntu-ha.desc` of these tasks.
///
/// # Errors
/// tasksel would misread the result; the message says where.
pub fn desc(tasks: &[Task]) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Facts<'a> {
        tasks: &'a [Task],
    }
    let text = templates::render("ubuntu-ha.desc", &Facts { tasks })?;
    lint_desc(&text).map_err(Error::Desc)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text::line;
    use proptest::prelude::*;

    fn role(name: &str, title: &str, description: &str) -> Recipe {
        let mut recipe: Recipe = toml::from_str(&format!(
            "[role]\nname = \"{name}\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1.0\"\n\
             [tasksel]\ntitle = \"t\"\ndescription = \"d\"\n"
        ))
        .unwrap();
        let tasksel = recipe.tasksel.as_mut().unwrap();
        tasksel.title = title.into();
        tasksel.description = description.into();
        recipe
    }

    #[test]
    fn a_role_is_a_stanza_under_the_common_one() {
        let text = desc(&tasks(&[role("vip", "Virtual IP", "One.\n\nTwo.")])).unwrap();
        let (parent, child) = text.split_once("\n\n").unwrap();
        assert!(
            parent.starts_with("Task: ubuntu-ha\nSection: server\n"),
            "{parent}"
        );
        assert_eq!(
            child,
            "Task: ubuntu-ha-vip\nParent: ubuntu-ha\nSection: server\nRelevance: 5\n\
             Description: Virtual IP\n One. Two.\nKey:\n ubuntu-ha-vip\n"
        );
    }

    #[test]
    fn a_text_of_control_characters_alone_is_none() {
        let text = desc(&tasks(&[role("vip", "Virtual IP", "\u{e}")])).unwrap();
        assert!(text.contains("Description: Virtual IP\n d\n"), "{text}");
    }

    #[test]
    fn no_task_is_an_empty_file() {
        assert!(tasks(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_title_or_text_breaks_the_file(title in "(?s).{1,60}", text in "(?s).{0,200}") {
            prop_assume!(!line(&title.replace(['\\', '$'], "")).is_empty());
            let tasks = tasks(&[role("vip", &title, &text), role("drbd", "Storage", "d")]);
            let text = desc(&tasks).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(text.matches("\n\n").count(), tasks.len() - 1);
            prop_assert_eq!(text.lines().filter(|l| l.starts_with("Task: ")).count(), tasks.len());
        }
    }
}
