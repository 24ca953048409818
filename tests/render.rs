//! The rendered texts themselves, and that no recipe can break them.

mod render_support;

use std::process::{Command, Output};

use debcrate::{Tree, parse_paragraphs};
use hapkg::recipe::model::Recipe;
use hapkg::render::tasks::lint_desc;
use hapkg::render::{Error, Rendered};
use proptest::prelude::*;
use render_support::Source;
use snapbox::assert_data_eq;

const ROLE: &str = "tests/render_support/role.toml";

fn text(tree: &Tree, path: &str) -> String {
    let data = tree.data(path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(data.to_vec()).unwrap()
}

fn role() -> Rendered {
    Source::new(ROLE).render("noble").unwrap()
}

macro_rules! golden {
    ($($test:ident: $path:literal, $golden:literal;)*) => {$(
        #[test]
        fn $test() {
            let found = text(&role().source_tree, $path);
            assert_data_eq!(found, snapbox::file![$golden].raw());
        }
    )*};
}

golden! {
    control: "debian/control", "render_support/golden/control";
    changelog: "debian/changelog", "render_support/golden/changelog";
    copyright: "debian/copyright", "render_support/golden/copyright";
    rules: "debian/rules", "render_support/golden/rules";
    install: "debian/install", "render_support/golden/install";
    readme: "debian/README.Debian", "render_support/golden/README.Debian";
    manual_page: "debian/ubuntu-ha-web.7", "render_support/golden/ubuntu-ha-web.7";
    tests_control: "debian/tests/control", "render_support/golden/tests-control";
    test: "debian/tests/install-and-configure", "render_support/golden/test";
}

#[test]
fn a_role_is_a_task_of_the_index() {
    let rendered = role();
    assert_eq!(rendered.task.as_deref(), Some("ubuntu-ha-web"));
    assert_eq!(rendered.mtime, 1_793_530_800);
    assert_eq!(rendered.version, "1.2~ubuntu24.04.1");
}

#[test]
fn dependency_changes_end_the_newest_entry() {
    let mut source = Source::new(ROLE);
    source.dependency_changes = vec!["Depends: add pacemaker.".into()];
    let changelog = text(
        &source.render("noble").unwrap().source_tree,
        "debian/changelog",
    );
    let newest = changelog.split("\n -- ").next().unwrap();
    assert!(
        newest
            .trim_end()
            .ends_with("  * Keep the secret.\n  * Depends: add pacemaker."),
        "{newest}"
    );
}

#[test]
fn newer_policies_take_defaults_for_granted() {
    let control = |suite: &str| {
        text(
            &Source::new(ROLE).render(suite).unwrap().source_tree,
            "debian/control",
        )
    };
    for (suite, spelt) in [("noble", true), ("trixie", true), ("resolute", false)] {
        assert_eq!(
            control(suite).contains("Rules-Requires-Root"),
            spelt,
            "{suite}"
        );
        assert_eq!(control(suite).contains("Priority"), spelt, "{suite}");
    }
}

#[test]
fn a_path_that_dh_install_would_expand_is_refused() {
    for path in [
        "/usr/share/x/*",
        "/usr/share/a b",
        "/usr/../etc/x",
        "/usr/share/x/${HOME}",
        "file",
        "/",
    ] {
        let mut source = Source::new(ROLE);
        source.recipe.file[0].path = path.into();
        let error = source.render("noble").unwrap_err().to_string();
        assert!(error.contains("write an absolute path"), "{path}: {error}");
    }
}

fn run_on(command: &mut Command, content: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    command
        .arg(file.path())
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

#[test]
fn tests_of_every_kind_pass_shellcheck() {
    for recipe in [
        ROLE,
        "recipes/support/resource-agents.toml",
        "recipes/support/tasks.toml",
    ] {
        let rendered = Source::new(recipe).render("noble").unwrap();
        let script = text(&rendered.source_tree, "debian/tests/install-and-configure");
        let output = run_on(Command::new("shellcheck").args(["-s", "sh"]), &script);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn manual_pages_format_without_a_warning() {
    for recipe in [
        ROLE,
        "recipes/support/resource-agents.toml",
        "recipes/support/tasks.toml",
    ] {
        let rendered = Source::new(recipe).render("noble").unwrap();
        let page = text(
            &rendered.source_tree,
            &format!("debian/{}.7", rendered.package),
        );
        let groff = ["-man", "-Kutf8", "-Tutf8", "-ww", "-z"];
        let output = run_on(Command::new("groff").args(groff), &page);
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

/// Requests that a page of ours may hold.
const REQUESTS: [&str; 12] = [
    ".TH", ".SH", ".TP", ".B", ".I", ".BR", ".PP", ".IP", ".nf", ".fi", ".RS", ".RE",
];

/// Every field that takes free text, filled with what may break it.
fn hostile() -> impl Strategy<Value = Recipe> {
    let text = prop_oneof![
        "(?s).{1,80}",
        "[ .'\\\\\"\n\ta-z:-]{1,80}",
        Just("x\n\nPackage: evil\nDepends: evil".to_owned()),
        Just(
            "x\n.so /etc/passwd\n'br\n -- A <a@example.org>  Sun, 01 Nov 2026 12:00:00 +0000"
                .to_owned()
        ),
        Just("x\r\nTask: evil\u{85}Key: evil\u{2028}Files: *".to_owned()),
        Just("$(id) `id` ${HOME} '; id #".to_owned()),
    ];
    prop::collection::vec(text, 9).prop_map(|texts| {
        let mut recipe = Source::new(ROLE).recipe;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().unwrap();
        recipe.role.summary = next();
        recipe.role.description = next();
        recipe.role.maintainer = next();
        recipe.role.homepage = Some(next());
        recipe.question[0].help = next();
        recipe.changelog[0].changes = vec![next(), next()];
        recipe.changelog[1].author = Some(next());
        recipe.resource[0].agent = next();
        recipe
    })
}

fn names(text: &str) -> Vec<Vec<String>> {
    parse_paragraphs(text)
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
        .iter()
        .map(|paragraph| paragraph.iter().map(|(name, _)| name.to_owned()).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_recipe_text_leaves_its_place(recipe in hostile()) {
        let mut source = Source::new(ROLE);
        source.recipe = recipe;
        let rendered = match source.render("noble") {
            Err(Error::Blank(_)) => return Ok(()),
            other => other.unwrap(),
        };
        let tree = &rendered.source_tree;
        let expected = role();
        for path in ["debian/control", "debian/copyright"] {
            prop_assert_eq!(names(&text(tree, path)), names(&text(&expected.source_tree, path)));
        }
        let fields = |rendered: &Rendered| names(&rendered.binary.as_ref().unwrap().control.to_string());
        prop_assert_eq!(fields(&rendered), fields(&expected));
        prop_assert_eq!(names(&rendered.dsc_fields.to_string()), names(&expected.dsc_fields.to_string()));

        let changelog = text(tree, "debian/changelog");
        let heads = changelog.lines().filter(|l| l.starts_with("ubuntu-ha-web (")).count();
        let ends = changelog.lines().filter(|l| l.starts_with(" -- ")).count();
        prop_assert_eq!((heads, ends), (2, 2));
        for line in changelog.lines() {
            let sound = line.is_empty() || ["  ", " -- ", "ubuntu-ha-web ("].iter().any(|s| line.starts_with(s));
            prop_assert!(sound, "{:?}", line);
        }

        for line in text(tree, "debian/ubuntu-ha-web.7").lines() {
            let request = line.starts_with(['.', '\'']);
            prop_assert!(!request || REQUESTS.contains(&line.split(' ').next().unwrap()), "{:?}", line);
        }
    }

    #[test]
    fn no_recipe_text_breaks_the_task_description(title in "(?s).{1,60}", description in "(?s).{1,200}") {
        let mut source = Source::new("recipes/support/tasks.toml");
        let mut role = Source::new(ROLE).recipe;
        let tasksel = role.tasksel.as_mut().unwrap();
        tasksel.title = title;
        tasksel.description = description;
        source.roles = vec![role];
        if let Ok(rendered) = source.render("noble") {
            let desc = text(&rendered.source_tree, "files/usr/share/tasksel/descs/ubuntu-ha.desc");
            prop_assert_eq!(lint_desc(&desc), Ok(()));
            prop_assert_eq!(desc.matches("Task: ").count(), 2);
        }
    }
}
