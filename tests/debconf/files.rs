//! The files themselves: golden texts, po2debconf, debconf-updatepo, shellcheck.

use std::fs;
use std::path::Path;
use std::process::Command;

use hapkg::recipe::model::{Kind, Recipe};
use hapkg::render::debconf::{Catalogs, messages};
use proptest::prelude::*;
use snapbox::{IntoData, assert_data_eq};

use crate::tools::{
    question, recipe, render, run, sample, scripts, text, try_render, write_debian,
};

#[test]
fn the_sample_is_rendered_as_before() {
    let files = render(&sample());
    assert_data_eq!(files.config, snapbox::file!["golden/config"].raw());
    assert_data_eq!(
        files.templates_source,
        snapbox::file!["golden/templates"].raw()
    );
    assert_data_eq!(
        files.templates_binary,
        snapbox::file!["golden/templates.merged"].raw()
    );
    assert_data_eq!(
        files.templates_pot,
        snapbox::file!["golden/templates.pot"].raw()
    );
    assert_data_eq!(
        files.po["es"].clone(),
        snapbox::file!["golden/es.po.txt"].raw()
    );
    assert_data_eq!(files.postinst, snapbox::file!["golden/postinst"].raw());
    assert_data_eq!(files.prerm, snapbox::file!["golden/prerm"].raw());
    assert_data_eq!(files.postrm, snapbox::file!["golden/postrm"].raw());
}

/// The sample in which every string of the recipe is translated to Spanish,
/// and half of them to French.
fn translated() -> Catalogs {
    let mut catalogs = Catalogs::embedded();
    let mut es = String::new();
    let mut fr = String::new();
    for (index, message) in messages(&sample()).unwrap().iter().enumerate() {
        let quoted = message.replace('\\', "\\\\").replace('"', "\\\"");
        let entry = |word: &str| format!("msgid \"{quoted}\"\nmsgstr \"{word} «{quoted}»\"\n\n");
        es.push_str(&entry("¿Qué?"));
        if index % 3 > 0 {
            fr.push_str(&entry("Quoi ?"));
        }
    }
    catalogs.add(Path::new("es.po"), &es).unwrap();
    catalogs.add(Path::new("fr.po"), &fr).unwrap();
    catalogs
}

/// What po2debconf makes of the source package's files.
fn po2debconf(directory: &Path) -> String {
    text(run(Command::new("po2debconf")
        .args(["-e", "utf-8", "debian/templates"])
        .current_dir(directory)))
}

#[test]
fn the_merged_templates_are_those_of_po2debconf() {
    let mut exotic = recipe(&format!(
        "{}{}{}",
        question("a", "string", "default = \"_Description: x [ y]\""),
        question("b", "choice", "choices = [\"one, two\", \"${x}\", \"#3\"]"),
        question("c", "boolean", "default = \"true\""),
    ));
    exotic.question[0].prompt = "Größe ${x} \\${y} \\n #1 [ note]:".into();
    exotic.question[0].help = "#DEBHELPER#\n: [ a]\n\n. b .\n\n.\n\nc [ note]".into();
    exotic.question[1].help = String::new();
    exotic.question[2].help = "About it.\n\nAbout it.\n\nTemplate: x".into();
    let mut catalogs = translated();
    catalogs
        .add(
            Path::new("de.po"),
            r##"msgid "Größe \\${x} \\\\${y} \\n #1 [ note]:"
msgstr "Größe\n\\\\n [ Notiz]"
msgid "#DEBHELPER# : [ a]"
msgstr "zwei\nZeilen [ weg] "
msgid ". b ."
msgstr "."
msgid "c [ note]"
msgstr "[ x]"
msgid "The b:"
msgstr "0"
msgid "The c:"
msgstr "Das c:"
msgid "About it."
msgstr "\"Dazu\" %s"
msgid "Template: x"
msgstr "Vorlage: x"
"##,
        )
        .unwrap();
    for (recipe, catalogs) in [
        (sample(), Catalogs::default()),
        (sample(), Catalogs::embedded()),
        (sample(), translated()),
        (exotic, catalogs),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let files = try_render(&recipe, &catalogs).unwrap().unwrap();
        write_debian(&files, directory.path());
        assert_data_eq!(files.templates_binary, po2debconf(directory.path()).raw());
    }
}

/// A PO file without line breaks and without the date it was made.
fn normalised(path: &Path) -> String {
    let text = text(run(Command::new("msgcat").arg("--no-wrap").arg(path)));
    text.lines()
        .filter(|line| !line.starts_with("\"POT-Creation-Date:"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn debconf_updatepo_finds_nothing_to_do() {
    let mut beyond_ascii = sample();
    beyond_ascii.question[0].prompt = "Größe in %d%%:".into();
    for (recipe, catalogs) in [
        (sample(), Catalogs::embedded()),
        (beyond_ascii, translated()),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let files = try_render(&recipe, &catalogs).unwrap().unwrap();
        write_debian(&files, directory.path());
        let po = directory.path().join("debian/po");
        let all = || -> Vec<(String, String)> {
            let mut names: Vec<_> = fs::read_dir(&po)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "POTFILES.in")
                .collect();
            names.sort();
            names
                .into_iter()
                .map(|name| (normalised(&po.join(&name)), name))
                .collect()
        };
        let before = all();
        run(Command::new("debconf-updatepo").arg("--podir").arg(&po));
        for ((before, name), (after, _)) in before.into_iter().zip(all()) {
            assert_data_eq!(before, after.raw());
            run(Command::new("msgfmt")
                .args(["--check", "-o", "/dev/null"])
                .arg(po.join(&name)));
        }
    }
}

#[test]
fn the_embedded_spanish_is_complete() {
    let catalogs = Catalogs::embedded();
    let recipe_strings: Vec<String> = sample()
        .question
        .iter()
        .flat_map(|question| [question.prompt.clone(), question.help.clone()])
        .collect();
    let mut generic = 0;
    for message in messages(&sample()).unwrap() {
        let own = recipe_strings
            .iter()
            .any(|text| text.replace('\n', " ").contains(&message));
        if !own {
            generic += 1;
            assert!(
                catalogs.translation("es", &message).is_some(),
                "es.po lacks: {message}"
            );
        }
    }
    assert_eq!(generic, 21);
}

/// Runs shellcheck and `dash -n` on every script of a recipe.
fn check_scripts(recipe: &Recipe) {
    let directory = tempfile::tempdir().unwrap();
    let files = render(recipe);
    write_debian(&files, directory.path());
    for (name, _) in scripts(&files) {
        let path = directory.path().join("debian").join(name);
        run(Command::new("shellcheck").arg(&path));
        run(Command::new("dash").arg("-n").arg(&path));
    }
}

#[test]
fn every_script_passes_shellcheck() {
    check_scripts(&sample());
    for kind in [
        "address",
        "address/prefix",
        "host-name",
        "host",
        "node-list",
        "block-device",
        "path",
        "integer",
        "boolean",
        "password",
        "string",
    ] {
        check_scripts(&recipe(&question("one", kind, "")));
    }
    let choice = question("one", "choice", "choices = [\"a\"]");
    check_scripts(&recipe(&choice));
    check_scripts(&recipe(""));
    let mut node = recipe(&question("one", "password", "max = 4096"));
    node.role.kind = Kind::Node;
    check_scripts(&node);
    check_scripts(&recipe(
        "[hooks]\nconfigure = \"true\"\nremove = \"true\"\npurge = \"true\"",
    ));
}

#[test]
fn a_recipe_without_questions_and_hooks_needs_nothing() {
    let catalogs = Catalogs::embedded();
    let agents = |text: &str| {
        let mut recipe = recipe(text);
        recipe.role.kind = Kind::Agents;
        recipe
    };
    assert!(try_render(&agents(""), &catalogs).unwrap().is_none());
    let idle = agents("[hooks]\nconfigure = \"# nothing yet\\n\\n\"");
    assert!(try_render(&idle, &catalogs).unwrap().is_none());
    let hook = agents("[hooks]\npurge = \"rm -rf /var/lib/sample\"");
    let files = try_render(&hook, &catalogs).unwrap().unwrap();
    assert!(files.config.is_empty() && files.postinst.is_empty() && files.prerm.is_empty());
    assert!(files.postrm.contains("\n    rm -rf /var/lib/sample\n"));
}

#[test]
fn the_node_package_writes_the_clusters_files() {
    let mut node = recipe(&question("secret", "password", ""));
    node.role.name = "node".into();
    node.role.kind = Kind::Node;
    let files = render(&node);
    assert!(files.postinst.contains("configure cluster 3>&-"));
    assert!(
        files
            .config
            .contains("\nsecrets=/etc/ubuntu-ha/secrets/cluster\n")
    );
    assert!(files.postrm.contains("rm -f /etc/ubuntu-ha/cluster.toml\n"));
    assert!(
        files
            .postrm
            .contains("rm -rf /etc/ubuntu-ha/secrets/cluster\n")
    );
    assert!(
        files
            .templates_binary
            .starts_with("Template: ubuntu-ha-node/secret\n")
    );
}

#[test]
fn a_here_document_keeps_its_lines() {
    let hook = recipe("[hooks]\nconfigure = '''\ncat >/x <<E\na\nE\n'''");
    let script = render(&hook).postinst;
    assert!(script.contains("\ncat >/x <<E\na\nE\n}\n"), "{script}");
}

#[test]
fn what_cannot_stand_there_is_refused() {
    let mut cases = Vec::new();
    let mut case = |wanted: &'static str, change: &dyn Fn(&mut Recipe)| {
        let mut recipe = sample();
        change(&mut recipe);
        cases.push((wanted, recipe));
    };
    case("role `a;b`:", &|r| r.role.name = "a;b".into());
    case("question `$(x)`:", &|r| r.question[0].name = "$(x)".into());
    case("question vip: prompt is empty", &|r| {
        r.question[0].prompt = " \n".into()
    });
    case("question vip: default holds", &|r| {
        r.question[0].default = Some("a\nb".into())
    });
    case("question filesystem: choices hold `a\\nb`", &|r| {
        r.question[6].choices = vec!["a\nb".into()]
    });
    case("question filesystem: choices are missing", &|r| {
        r.question[6].choices.clear()
    });
    case("question device: when names `port`", &|r| {
        r.question[5].when = [("port".to_owned(), "1".to_owned())].into()
    });
    case("question device: when holds a control", &|r| {
        r.question[5].when = [("vip".to_owned(), "1\n2".to_owned())].into()
    });
    case("hook of postinst holds `#PACKAGE#`", &|r| {
        r.hooks.configure = Some("echo '#PACKAGE#'".into())
    });
    for (wanted, recipe) in cases {
        let error = try_render(&recipe, &Catalogs::embedded()).unwrap_err();
        assert!(error.to_string().starts_with(wanted), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_adds_a_field(
        prompt in "(?s)[^\\x00]{0,60}:",
        help in "(?s).{0,200}",
        odd in "[\n .:\\[\\]_#${}\\\\a-cé\"'-]{0,80}",
        default in "[ -~à-ÿ]{0,30}",
        choices in prop::collection::vec("[a-z,$#{}:é]{1,8}", 1..4),
    ) {
        let mut recipe = recipe(&format!(
            "{}{}",
            question("a", "string", ""),
            question("b", "choice", "choices = [\"x\"]")
        ));
        recipe.question[0].prompt = prompt;
        recipe.question[0].help = format!("{help}\n\n{odd}");
        recipe.question[0].default = Some(default);
        recipe.question[1].choices = choices;
        recipe.question[1].help = odd;
        let files = render(&recipe);
        let directory = tempfile::tempdir().unwrap();
        write_debian(&files, directory.path());
            for text in [&files.templates_source, &files.templates_binary] {
            for stanza in text.split("\n\n") {
                let mut fields: Vec<&str> = stanza
                    .split('\n')
                    .filter(|line| !line.is_empty() && !line.starts_with(' '))
                    .map(|line| line.split_once(": ").expect("a field").0.trim_start_matches('_'))
                    .collect();
                fields.retain(|field| !field.starts_with("Description-es"));
                let known = ["Template", "Type", "Choices", "Default", "Description"];
                prop_assert!(fields.iter().all(|field| known.contains(field)), "{fields:?}");
                fields.dedup();
                prop_assert_eq!(fields.iter().filter(|field| **field == "Template").count(), 1);
            }
            prop_assert_eq!(text.split("\n\n").count(), 4);
        }
        prop_assert_eq!(files.templates_binary, po2debconf(directory.path()));
    }
}
