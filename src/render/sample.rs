//! Answers to show in documents and to use in a package's own test, where
//! nobody has given any.

use crate::recipe::model::{Question, QuestionType};

/// A valid answer: the default, or one of documentation addresses and names
/// (RFC 5737).
pub fn answer(question: &Question) -> String {
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
        QuestionType::HostName => "alpha",
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
    fn every_type_has_a_valid_sample() {
        let kinds = [
            "address",
            "address/prefix",
            "host-name",
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
