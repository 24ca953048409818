//! Answers to show in documents and to use in a package's own test, where
//! nobody has given any.

use std::collections::BTreeMap;

use crate::recipe::model::{Question, QuestionType, alternatives};

/// Answers to the questions that would be asked and have to be answered:
/// those left out are optional, or depend on an answer that is not given.
pub fn answers(questions: &[Question]) -> BTreeMap<String, String> {
    let mut answers: BTreeMap<String, String> = BTreeMap::new();
    for question in questions {
        let asked = question.when.iter().all(|(name, value)| {
            let answer = answers.get(name).map_or("", String::as_str);
            alternatives(value).any(|one| one == answer)
        });
        let has_default = question
            .default
            .as_ref()
            .is_some_and(|text| !text.trim().is_empty());
        if asked && (has_default || !question.optional) {
            answers.insert(question.name.clone(), answer(question));
        }
    }
    answers
}

/// A valid answer: the default, or one of documentation addresses and names
/// (RFC 5737).
fn answer(question: &Question) -> String {
    if let Some(default) = question
        .default
        .as_ref()
        .filter(|text| !text.trim().is_empty())
    {
        return default.clone();
    }
    let fixed = match question.kind {
        QuestionType::Address => "192.0.2.10",
        QuestionType::AddressPrefix => "192.0.2.10/24",
        QuestionType::HostName | QuestionType::Host => "alpha",
        QuestionType::NodeList => "alpha=192.0.2.11 beta=192.0.2.12",
        QuestionType::BlockDevice => "/dev/disk/by-id/virtio-data",
        QuestionType::Path => "/srv/data",
        QuestionType::Boolean => "true",
        QuestionType::Password => "replace-this-secret",
        QuestionType::Text => "example",
        QuestionType::Integer => {
            return question
                .min
                .or(question.max.map(|max| max.min(1)))
                .unwrap_or(1)
                .to_string();
        }
        QuestionType::Choice => return question.choices.first().cloned().unwrap_or_default(),
    };
    fixed.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::answer::parse_answer;

    #[test]
    fn only_what_is_asked_and_needed_is_answered() {
        let question = |text: &str| -> Question {
            toml::from_str(&format!("prompt = \"p:\"\nhelp = \"h\"\n{text}")).unwrap()
        };
        let questions = [
            question("name = \"mode\"\ntype = \"choice\"\nchoices = [\"a\", \"b\"]\n"),
            question("name = \"of_a\"\ntype = \"path\"\nwhen = { mode = \"a\" }\n"),
            question("name = \"of_b\"\ntype = \"path\"\nwhen = { mode = \"b\" }\n"),
            question("name = \"of_both\"\ntype = \"path\"\nwhen = { mode = \"b|a\" }\n"),
            question("name = \"spare\"\ntype = \"string\"\noptional = true\n"),
        ];
        let names: Vec<String> = answers(&questions).into_keys().collect();
        assert_eq!(names, ["mode", "of_a", "of_both"]);
    }

    #[test]
    fn every_type_has_a_valid_sample() {
        let kinds = [
            "address",
            "address/prefix",
            "host-name",
            "host",
            "node-list",
            "block-device",
            "path",
            "integer",
            "integer\"\nmax = -4\n#\"",
            "integer\"\nmin = 7\n#\"",
            "choice\"\nchoices = [\"one\", \"two\"]\n#\"",
            "boolean",
            "password",
            "string",
            "path\"\ndefault = \"/srv\"\n#\"",
        ];
        for kind in kinds {
            let text = format!("name = \"q\"\nprompt = \"p:\"\nhelp = \"h\"\ntype = \"{kind}\"\n");
            let question: Question = toml::from_str(&text).unwrap();
            let answer = answer(&question);
            assert!(parse_answer(&question, &answer).is_ok(), "{kind}: {answer}");
        }
    }
}
