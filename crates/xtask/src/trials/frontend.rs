//! The questions as an administrator meets them: on a terminal, with mistakes
//! and second thoughts.

use std::collections::BTreeMap;

use hapkg::chroot::Network;
use hapkg::recipe::model::{Priority, Question, QuestionType, alternatives};
use hapkg::render::debconf::Catalogs;

use super::{answers, snapshot};
use crate::bases;
use crate::case::Case;
use crate::host;
use crate::machine::Machine;
use crate::pty::Terminal;
use crate::stop::Stop;

/// Empties the line that a frontend has filled in.
const EMPTY_LINE: &str = "\u{1}\u{b}";
/// Page up: debconf's readline frontend goes one question back. Its other key,
/// Ctrl-U, is the terminal's own.
const BACK: &str = "\u{1b}[5~";

/// A question as it comes up in the dialogue.
struct Asked<'a> {
    question: &'a Question,
    /// What the example says, or the default.
    answer: String,
}

/// A dialogue in which the example can be told.
struct Dialogue<'a> {
    /// debconf's priority: its default, or as low as the example needs.
    priority: Priority,
    /// The questions that come up, in order, by package.
    packages: [Vec<Asked<'a>>; 2],
}

impl Dialogue<'_> {
    /// The environment of a frontend that holds it.
    fn environment(&self, frontend: &str) -> String {
        let priority = self.priority.as_str();
        format!("DEBIAN_FRONTEND={frontend} DEBIAN_PRIORITY={priority}")
    }
}

fn dialogue<'a>(case: &'a Case) -> Result<Dialogue<'a>, Stop> {
    let role = answers::role(case)?;
    let node = (&case.world.node.question, &role.cluster);
    let own = (&role.recipe.question, &role.own);
    let priority = needed(node.0, node.1).max(needed(own.0, own.1));
    Ok(Dialogue {
        priority,
        packages: [node, own].map(|(questions, given)| shown(questions, given, priority)),
    })
}

/// The priority at which every question that `given` answers is asked.
fn needed(questions: &[Question], given: &BTreeMap<String, String>) -> Priority {
    let answered = questions
        .iter()
        .filter(|question| given.contains_key(&question.name));
    answered
        .map(|question| question.priority)
        .fold(Priority::High, Priority::max)
}

fn shown<'a>(
    questions: &'a [Question],
    given: &BTreeMap<String, String>,
    priority: Priority,
) -> Vec<Asked<'a>> {
    let answer = |question: &Question| {
        let default = question.default.clone().unwrap_or_default();
        given.get(&question.name).cloned().unwrap_or(default)
    };
    let holds = |question: &Question| {
        question.when.iter().all(|(name, wanted)| {
            questions
                .iter()
                .filter(|other| other.name == *name)
                .any(|other| alternatives(wanted).any(|one| one == answer(other)))
        })
    };
    questions
        .iter()
        .filter(|question| question.priority <= priority)
        .filter(|question| holds(question))
        .map(|question| Asked {
            question,
            answer: answer(question),
        })
        .collect()
}

/// What a hurried administrator types first; none where the frontend itself
/// takes no wrong answer.
fn mistake(question: &Question) -> Option<&'static str> {
    match question.kind {
        QuestionType::Address => Some("192.0.2.300"),
        QuestionType::AddressPrefix => Some("192.0.2.10/33"),
        QuestionType::HostName | QuestionType::Host => Some("-alpha-"),
        QuestionType::NodeList => Some("alpha beta"),
        QuestionType::BlockDevice => Some("sdb"),
        QuestionType::Path => Some("srv/data"),
        QuestionType::Integer => Some("many"),
        QuestionType::Text => Some("a\"b"),
        QuestionType::Password if question.min.is_some() => None,
        QuestionType::Password => Some("short"),
        QuestionType::Choice | QuestionType::Boolean => None,
    }
}

/// What is typed for an answer at debconf's readline prompt.
fn typed(question: &Question, answer: &str) -> String {
    let words = match (question.kind, answer) {
        (QuestionType::Boolean, "true") => "yes",
        (QuestionType::Boolean, _) => "no",
        (_, answer) => answer,
    };
    match question.kind {
        QuestionType::Password => format!("{words}\r"),
        _ => format!("{EMPTY_LINE}{words}\r"),
    }
}

/// Readline: every question gets a mistake first where it can, is asked again,
/// and from each package's second question one steps back and forth once.
pub fn readline(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let before = snapshot::take(machine)?;
        let dialogue = dialogue(case)?;
        let mut terminal = machine.terminal(&format!(
            "{} apt-get -q -y install {}",
            dialogue.environment("readline"),
            case.package()
        ))?;
        let spoken = converse(&mut terminal, &dialogue.packages);
        let shown = match &spoken {
            Ok(_) => terminal.finish()?.1,
            Err(_) => String::new(),
        };
        machine.note(&shown);
        let visits = spoken?;
        for (question, visits) in visits {
            if visits == 0 {
                return Err(Stop::failed(format!(
                    "{question} was never asked:\n{shown}"
                )));
            }
        }
        if !shown.contains(&format!("{} 0", Machine::FINISHED)) {
            return Err(Stop::failed(format!("the installation failed:\n{shown}")));
        }
        answers::configured(machine, case)?;
        answers::secrets_are_kept(machine, case)?;
        answers::nothing_started(machine)?;
        machine.apt("purge 'ubuntu-ha-*'")?;
        snapshot::all_gone(machine, &before)
    })
}

/// Answers whatever comes up until the script ends. Question to the number of
/// times it came up.
fn converse(
    terminal: &mut Terminal,
    packages: &[Vec<Asked>; 2],
) -> Result<BTreeMap<String, usize>, Stop> {
    let all: Vec<&Asked> = packages.iter().flatten().collect();
    let mut prompts: Vec<&str> = all.iter().map(|one| one.question.prompt.as_str()).collect();
    prompts.push(Machine::FINISHED);
    let mut visits: BTreeMap<String, usize> = all
        .iter()
        .map(|one| (one.question.name.clone(), 0))
        .collect();
    let mut stepped_back = [false; 2];
    loop {
        let seen = terminal.wait_for_line(&prompts)?;
        let Some(one) = all.get(seen) else {
            return Ok(visits);
        };
        let question = one.question;
        let count = visits.entry(question.name.clone()).or_default();
        *count += 1;
        if *count > 6 {
            return Err(Stop::failed(format!(
                "{} is asked without end",
                question.name
            )));
        }
        let package = usize::from(seen >= packages[0].len());
        let second = packages[package].get(1);
        if second.is_some_and(|second| second.question.name == question.name)
            && !stepped_back[package]
        {
            stepped_back[package] = true;
            let first = &packages[package][0];
            terminal.send(BACK)?;
            terminal
                .wait_for_line(&[&first.question.prompt])
                .map_err(|stop| {
                    Stop::failed(format!(
                        "{BACK:?} did not go back to {}: {stop}",
                        first.question.name
                    ))
                })?;
            // What was answered is offered again.
            if first.question.kind != QuestionType::Password {
                terminal.wait_for(&first.answer)?;
            }
            terminal.send("\r")?;
            continue;
        }
        let wrong = mistake(question).filter(|_| *count == 1);
        if let Some(wrong) = wrong {
            terminal.send(&typed(question, wrong))?;
            terminal
                .wait_for_line(&[&question.prompt])
                .map_err(|stop| {
                    Stop::failed(format!(
                        "{wrong:?} was taken for an answer to {}: {stop}",
                        question.name
                    ))
                })?;
        }
        terminal.send(&typed(question, &one.answer))?;
    }
}

/// In a Spanish locale the questions are Spanish, as recipes/po/es.po has them.
pub fn spanish(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    let catalogs = Catalogs::load(&host::root().join("recipes/po"))
        .map_err(|e| Stop::failed(e.to_string()))?;
    case.on(&base, Network::Off, |machine| {
        let [node, _] = dialogue(case)?.packages;
        let first = node
            .first()
            .ok_or_else(|| Stop::failed("the node package asks nothing"))?;
        let prompt = catalogs
            .translation("es", &first.question.prompt)
            .ok_or_else(|| Stop::failed(format!("{} has no translation", first.question.name)))?;
        let terminal = machine.terminal(
            "LANG=es_ES.UTF-8 DEBIAN_FRONTEND=readline apt-get -q -y install ubuntu-ha-node",
        )?;
        terminal.wait_for_line(&[prompt]).map(|_| ())
    })
}

/// The full-screen frontend: one mistake, one step back, and the right
/// answers.
pub fn dialog(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let dialogue = dialogue(case)?;
        let mut terminal = machine.terminal(&format!(
            "{} apt-get -q -y install {}",
            dialogue.environment("dialog"),
            case.package()
        ))?;
        let done = draw(&mut terminal, &dialogue.packages);
        if done.is_ok() {
            machine.note(&terminal.finish()?.1);
        }
        done?;
        answers::configured(machine, case)?;
        answers::secrets_are_kept(machine, case)
    })
}

fn draw(terminal: &mut Terminal, packages: &[Vec<Asked>; 2]) -> Result<(), Stop> {
    let all: Vec<&Asked> = packages.iter().flatten().collect();
    let mut left = all.clone();
    let (mut erred, mut stepped_back) = (false, false);
    // The question before, in the same package.
    let mut previous: Option<(&Asked, bool)> = None;
    while !left.is_empty() {
        let signs: Vec<&str> = left.iter().map(|one| sign(one.question)).collect();
        let one = left.remove(terminal.wait_for_screen_any(&signs)?);
        let question = one.question;
        let of_node = packages[0].iter().any(|other| std::ptr::eq(other, one));
        if let Some((before, _)) = previous.filter(|(_, same)| *same == of_node && !stepped_back) {
            stepped_back = true;
            // Escape, told from the start of a longer key by the pause after it.
            terminal.send("\u{1b}")?;
            terminal.wait_for_screen(sign(before.question))?;
            terminal.send("\r")?;
            terminal.wait_for_screen(sign(question))?;
        }
        if let (Some(wrong), false) = (mistake(question), erred) {
            erred = true;
            terminal.send(&format!("{EMPTY_LINE}{wrong}\r"))?;
            terminal.wait_until_gone(sign(question))?;
            // The error is a message of its own.
            terminal.wait_for_screen(&question.prompt)?;
            terminal.send("\r")?;
            terminal.wait_for_screen(sign(question))?;
        }
        terminal.send(&keys(question, &one.answer))?;
        terminal.wait_until_gone(sign(question))?;
        previous = Some((one, of_node));
    }
    terminal.wait_for(&format!("{} 0", Machine::FINISHED))
}

/// What only the question's own box shows; an error names the prompt too.
fn sign(question: &Question) -> &str {
    question.help.trim().lines().next().unwrap_or_default()
}

/// What is typed for an answer in a dialog box.
fn keys(question: &Question, answer: &str) -> String {
    match question.kind {
        QuestionType::Boolean => {
            // The default button is the default answer; the other is a Tab away.
            let default = question.default.as_deref().unwrap_or("false");
            if default == answer {
                "\r".into()
            } else {
                "\t\r".into()
            }
        }
        QuestionType::Choice => {
            let place = |name: &str| question.choices.iter().position(|one| one == name);
            let from = place(question.default.as_deref().unwrap_or_default()).unwrap_or(0);
            let to = place(answer).unwrap_or(0);
            let step = if to < from { "\u{1b}[A" } else { "\u{1b}[B" };
            format!("{}\r", step.repeat(to.abs_diff(from)))
        }
        QuestionType::Password => format!("{answer}\r"),
        _ => format!("{EMPTY_LINE}{answer}\r"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hapkg::recipe::model::Priority;
    use hapkg::recipe::{Context, parse};

    use super::{keys, needed, shown, typed};

    #[test]
    fn only_what_is_asked_is_answered() {
        let text = include_str!("../../../../recipes/support/node.toml");
        let node = parse("node.toml", text, &Context::default()).unwrap();
        let names = |fencing: &str| -> Vec<String> {
            let given = BTreeMap::from([("fencing".to_owned(), fencing.to_owned())]);
            shown(&node.question, &given, Priority::High)
                .iter()
                .map(|one| one.question.name.clone())
                .collect()
        };
        assert!(names("ipmi").contains(&"ipmi_user".into()));
        assert!(!names("sbd").contains(&"ipmi_user".into()));
        let both = names("ipmi-then-sbd");
        assert!(both.contains(&"ipmi_user".into()) && both.contains(&"sbd_device".into()));
        assert!(!names("later").contains(&"join_token".into()));
        assert!(!names("sbd").contains(&"token".into()));
    }

    #[test]
    fn every_answered_question_is_asked() {
        let text = include_str!("../../../../recipes/support/node.toml");
        let node = parse("node.toml", text, &Context::default()).unwrap();
        let mut given = BTreeMap::from([("fencing".to_owned(), "sbd".to_owned())]);
        assert_eq!(needed(&node.question, &given), Priority::High);
        given.insert("qdevice".into(), "witness.example.org".into());
        assert_eq!(needed(&node.question, &given), Priority::Medium);
        let asked = shown(&node.question, &given, Priority::Medium);
        assert!(asked.iter().any(|one| one.question.name == "qdevice"));
    }

    #[test]
    fn keys_reach_the_other_choice_and_back() {
        let text = include_str!("../../../../recipes/support/node.toml");
        let node = parse("node.toml", text, &Context::default()).unwrap();
        let fencing = node
            .question
            .iter()
            .find(|one| one.name == "fencing")
            .unwrap();
        assert_eq!(keys(fencing, "later"), "\r");
        assert_eq!(keys(fencing, "sbd"), "\u{1b}[B\u{1b}[B\u{1b}[B\r");
        assert_eq!(typed(fencing, "sbd"), "\u{1}\u{b}sbd\r");
    }
}
