//! What stands in the way, collected.

use super::Refusal;

/// Every refusal, in the order found, none twice.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<Refusal>);

impl Refusals {
    /// About an answer to the node recipe's questions.
    pub fn cluster(&mut self, question: &str, message: impl Into<String>) {
        self.add(None, Some(question), message.into());
    }

    /// About a role; its `question` where one is to blame.
    pub fn role(&mut self, role: &str, question: Option<&str>, message: impl Into<String>) {
        self.add(Some(role), question, message.into());
    }

    fn add(&mut self, role: Option<&str>, question: Option<&str>, message: String) {
        let refusal = Refusal {
            role: role.map(str::to_owned),
            question: question.map(str::to_owned),
            message,
        };
        if !self.0.contains(&refusal) {
            self.0.push(refusal);
        }
    }

    pub fn into_result<T>(self, value: T) -> Result<T, Vec<Refusal>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }

    pub fn into_list(self) -> Vec<Refusal> {
        self.0
    }
}
