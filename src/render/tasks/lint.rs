//! What tasksel (3.73 to 3.87) misreads without a word, or dies of.

use std::collections::BTreeSet;

use crate::recipe::relation::package_name;

/// A field with the lines below it.
struct Field<'a> {
    line: usize,
    name: &'a str,
    value: &'a str,
    more: Vec<&'a str>,
}

/// Checks the text of a tasksel description file.
///
/// # Errors
/// Every trap found, each as `line N: what is wrong; what to write`.
pub fn lint_desc(text: &str) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let stanzas = split(text, &mut problems);
    let names: Vec<&str> = stanzas
        .iter()
        .filter_map(|stanza| get(stanza, "Task").map(|field| field.value))
        .collect();
    let parents: BTreeSet<&str> = stanzas
        .iter()
        .filter(|stanza| get(stanza, "Parent").is_none())
        .filter_map(|stanza| get(stanza, "Task").map(|field| field.value))
        .collect();
    let mut seen = BTreeSet::new();
    for stanza in &stanzas {
        check(stanza, &names, &parents, &mut seen, &mut problems);
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems)
}

fn get<'a, 'b>(stanza: &'b [Field<'a>], name: &str) -> Option<&'b Field<'a>> {
    stanza
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case(name))
}

/// Cuts the text at empty lines, as tasksel does.
fn split<'a>(text: &'a str, problems: &mut Vec<String>) -> Vec<Vec<Field<'a>>> {
    let mut stanzas: Vec<Vec<Field<'a>>> = Vec::new();
    let mut open = false;
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push("the last line has no newline; end it with one".into());
    }
    if text.ends_with("\n\n") {
        problems.push("the file ends in an empty line; drop it".into());
    }
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.is_empty() {
            if !open {
                problems.push(format!(
                    "line {number}: a second empty line is read as a broken line; keep one"
                ));
            }
            open = false;
            continue;
        }
        if let Some(odd) = line.chars().find(|c| c.is_control()) {
            problems.push(format!("line {number}: holds {odd:?}; drop it"));
        }
        if line.trim().is_empty() {
            problems.push(format!(
                "line {number}: a separator that holds a blank joins two stanzas; empty the line"
            ));
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            match stanzas.last_mut().and_then(|stanza| stanza.last_mut()) {
                Some(field) if open => field.more.push(line.trim()),
                _ => problems.push(format!(
                    "line {number}: continues no field; start the line with `Name:`"
                )),
            }
            continue;
        }
        if !open {
            stanzas.push(Vec::new());
            open = true;
        }
        match field(number, line) {
            Ok(field) => stanzas.last_mut().expect("one was pushed").push(field),
            Err(problem) => problems.push(problem),
        }
    }
    stanzas
}

fn field(number: usize, line: &str) -> Result<Field<'_>, String> {
    let known = [
        "Task",
        "Section",
        "Description",
        "Relevance",
        "Parent",
        "Key",
        "Packages",
        "Enhances",
    ];
    let Some((name, value)) = line.split_once(':') else {
        return Err(format!("line {number}: is no field; write `Name: value`"));
    };
    let is = |wanted: &&str| wanted.eq_ignore_ascii_case(name);
    if !known.iter().any(is) && !name.to_lowercase().starts_with("test-") {
        return Err(format!(
            "line {number}: tasksel knows no field {name:?}; write one of {}",
            known.join(", ")
        ));
    }
    if !value.is_empty() && !value.starts_with(' ') {
        return Err(format!(
            "line {number}: {name} loses its value; write a blank behind the colon"
        ));
    }
    Ok(Field {
        line: number,
        name,
        value: value.trim(),
        more: Vec::new(),
    })
}

fn check<'a>(
    stanza: &[Field<'a>],
    names: &[&str],
    parents: &BTreeSet<&str>,
    seen: &mut BTreeSet<&'a str>,
    problems: &mut Vec<String>,
) {
    let start = stanza.first().map_or(0, |field| field.line);
    let mut own = BTreeSet::new();
    for field in stanza {
        let name = field.name.to_lowercase();
        let line = field.line;
        let one_line = !["description", "key", "packages"].contains(&name.as_str());
        if one_line && !field.more.is_empty() {
            problems.push(format!(
                "line {line}: {} takes one line; join its lines",
                field.name
            ));
        }
        match name.as_str() {
            "description" => description(field, problems),
            "key" => key(field, problems),
            "packages" => packages(field, problems),
            "relevance" if !matches!(field.value.as_bytes(), [b'0'..=b'9']) => {
                problems.push(format!(
                    "line {line}: Relevance is not one digit; write 0 to 9"
                ));
            }
            "parent" if !names.contains(&field.value) => problems.push(format!(
                "line {line}: no stanza of this file is the Parent {:?}; add it",
                field.value
            )),
            "parent" if !parents.contains(field.value) => problems.push(format!(
                "line {line}: the Parent {:?} has one itself; tasksel nests once only",
                field.value
            )),
            _ => {}
        }
        if !own.insert(name) {
            problems.push(format!(
                "line {line}: {} stands here twice; keep one",
                field.name
            ));
        }
    }
    match get(stanza, "Task") {
        None => problems.push(format!(
            "line {start}: a stanza without Task is ignored; name it"
        )),
        Some(task) if package_name(task.value).is_err() => problems.push(format!(
            "line {}: {:?} is no task name; write lower-case letters, digits and `+-.`",
            task.line, task.value
        )),
        Some(task) if !seen.insert(task.value) => problems.push(format!(
            "line {}: the Task {} is defined before; the first one wins, drop this",
            task.line, task.value
        )),
        Some(_) => {}
    }
    for (name, why) in [
        (
            "Description",
            "tasksel asks apt for a package of its own instead",
        ),
        ("Key", "the task is shown and installs nothing"),
    ] {
        if get(stanza, name).is_none() {
            problems.push(format!("line {start}: without {name} {why}; add it"));
        }
    }
}

fn description(field: &Field, problems: &mut Vec<String>) {
    let line = field.line;
    if field.more.is_empty() {
        problems.push(format!(
            "line {line}: tasksel dies of a Description of one line; add a longer text below it"
        ));
    }
    if field.value.is_empty() {
        problems.push(format!(
            "line {line}: the first line of Description is empty; write the menu's text there"
        ));
    }
    if field.value.contains(['\\', '$']) {
        problems.push(format!(
            "line {line}: debconf expands `\\` and `$` in the menu's text; write it without"
        ));
    }
    if field.more.contains(&".") {
        problems.push(format!(
            "line {line}: tasksel shows the line ` .` as a full stop; drop it"
        ));
    }
}

fn key(field: &Field, problems: &mut Vec<String>) {
    let line = field.line;
    if field.more.is_empty() {
        problems.push(format!(
            "line {line}: a Key of one line is ignored and the task installs nothing; \
             write each package on a line below it"
        ));
    }
    let first = Some(field.value).filter(|value| !value.is_empty());
    for name in first.into_iter().chain(field.more.iter().copied()) {
        if package_name(name).is_err() {
            problems.push(format!(
                "line {line}: the Key {name:?} is no package, which hides the task; \
                 write one package name on each line"
            ));
        }
    }
}

fn packages(field: &Field, problems: &mut Vec<String>) {
    let line = field.line;
    match field.value {
        "standard" | "manual" => {}
        "list" if field.more.is_empty() => problems.push(format!(
            "line {line}: Packages lists nothing; write the packages on lines below it"
        )),
        "list" => {}
        method => problems.push(format!(
            "line {line}: tasksel has no method {method:?}; write `Packages: list`, or Key alone"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Task: a1\nSection: server\nRelevance: 5\nDescription: A\n More.\nKey:\n a1\n\n\
                        Task: b1\nParent: a1\nDescription: B\n More.\nKey:\n b1\nPackages: list\n c1\n";

    #[test]
    fn a_sound_file_passes() {
        assert_eq!(lint_desc(GOOD), Ok(()));
        assert_eq!(lint_desc(""), Ok(()));
    }

    /// The one problem that a change of the sound file leads to.
    #[track_caller]
    fn only(old: &str, new: &str, expected: &str) {
        assert!(GOOD.contains(old));
        let problems = lint_desc(&GOOD.replacen(old, new, 1)).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(expected), "{problems:#?}");
    }

    #[test]
    fn one_line_description() {
        only(
            "Description: A\n More.\n",
            "Description: A\n",
            "tasksel dies",
        );
    }

    #[test]
    fn empty_menu_text() {
        only(
            "Description: A\n",
            "Description:\n",
            "first line of Description",
        );
    }

    #[test]
    fn expanded_menu_text() {
        only("Description: A\n", "Description: ${A}\n", "debconf expands");
    }

    #[test]
    fn full_stop_line() {
        only(" More.\n", " More.\n .\n Yet more.\n", "as a full stop");
    }

    #[test]
    fn one_line_key() {
        only("Key:\n a1\n", "Key: a1\n", "Key of one line");
    }

    #[test]
    fn empty_key() {
        only("Key:\n a1\n", "Key:\n", "Key of one line");
    }

    #[test]
    fn two_packages_on_a_key_line() {
        only("Key:\n a1\n", "Key:\n a1 b1\n", "is no package");
    }

    #[test]
    fn missing_key() {
        only("Key:\n a1\n", "", "without Key");
    }

    #[test]
    fn missing_description() {
        only("Description: A\n More.\n", "", "without Description");
    }

    #[test]
    fn separator_with_a_blank() {
        let problems = lint_desc(&GOOD.replacen("\n\n", "\n \n", 1)).unwrap_err();
        assert!(problems[0].contains("joins two stanzas"), "{problems:#?}");
    }

    #[test]
    fn two_separators() {
        only("\n\n", "\n\n\n", "second empty line");
    }

    #[test]
    fn empty_line_at_the_ends() {
        assert!(lint_desc(&format!("{GOOD}\n")).unwrap_err()[0].contains("ends in an empty line"));
        assert!(lint_desc(&format!("\n{GOOD}")).unwrap_err()[0].contains("second empty line"));
        assert!(lint_desc(GOOD.trim_end()).unwrap_err()[0].contains("no newline"));
    }

    #[test]
    fn duplicate_task() {
        only("Task: b1\nParent: a1\n", "Task: a1\n", "the first one wins");
    }

    #[test]
    fn task_that_is_no_name() {
        let problems = lint_desc(&GOOD.replace("Task: b1", "Task: b 1")).unwrap_err();
        assert!(problems[0].contains("is no task name"), "{problems:#?}");
    }

    #[test]
    fn stanza_without_task() {
        only("Task: b1\n", "", "without Task is ignored");
    }

    #[test]
    fn relevance_of_two_digits_or_none() {
        for wrong in ["10", "", "high", "-1", "5 "] {
            let text = GOOD.replace("Relevance: 5", &format!("Relevance: {wrong}"));
            assert_eq!(lint_desc(&text).is_err(), wrong.trim() != "5", "{wrong}");
        }
    }

    #[test]
    fn unknown_parent() {
        only("Parent: a1", "Parent: c1", "no stanza of this file");
    }

    #[test]
    fn grandparent() {
        let text = format!("{GOOD}\nTask: c1\nParent: b1\nDescription: C\n More.\nKey:\n c1\n");
        let problems = lint_desc(&text).unwrap_err();
        assert!(problems[0].contains("nests once only"), "{problems:#?}");
    }

    #[test]
    fn field_given_twice() {
        only(
            "Section: server\n",
            "Section: server\nSection: user\n",
            "stands here twice",
        );
    }

    #[test]
    fn field_of_one_line_continued() {
        only(
            "Section: server\n",
            "Section: server\n more\n",
            "takes one line",
        );
    }

    #[test]
    fn value_glued_to_the_colon() {
        only("Section: server\n", "Section:server\n", "loses its value");
    }

    #[test]
    fn unknown_field() {
        only("Section: server\n", "Sektion: server\n", "knows no field");
    }

    #[test]
    fn line_that_is_no_field() {
        only("Section: server\n", "server\n", "is no field");
    }

    #[test]
    fn method_that_is_gone() {
        only(
            "Packages: list\n c1\n",
            "Packages: task-fields\n",
            "no method",
        );
        only("Packages: list\n c1\n", "Packages: list\n", "lists nothing");
    }

    #[test]
    fn carriage_return() {
        only(" More.\n", " More\u{7}.\n", "drop it");
    }
}
