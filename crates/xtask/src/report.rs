//! What came out of a run: JUnit XML for CI, JSON for programs, one log per
//! test for people.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::host::{fresh_dir, write};
use crate::stop::Stop;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// How many tests this one stands for.
    Passed(usize),
    Failed(String),
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    seconds: f64,
    outcome: Outcome,
}

/// Everything that was tested, in the order it ended.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    tests: Vec<Line>,
    #[serde(skip)]
    logs: Vec<(String, String)>,
    #[serde(skip)]
    files: Vec<(String, Vec<u8>)>,
}

impl Report {
    /// Adds a result.
    pub fn add(&mut self, name: &str, took: Duration, outcome: Outcome) {
        self.tests.push(Line {
            name: name.into(),
            seconds: took.as_secs_f64(),
            outcome,
        });
    }

    /// Keeps a test's log.
    pub fn log(&mut self, name: &str, text: &str) {
        self.logs.push((name.into(), text.into()));
    }

    /// Keeps a file of this run, by its path below the report.
    pub fn file(&mut self, path: &str, data: Vec<u8>) {
        self.files.push((path.into(), data));
    }

    fn passed(&self) -> usize {
        let count = |line: &Line| match line.outcome {
            Outcome::Passed(count) => count,
            Outcome::Failed(_) => 0,
        };
        self.tests.iter().map(count).sum()
    }

    /// The number of failures.
    pub fn failed(&self) -> usize {
        self.tests
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Failed(_)))
            .count()
    }

    /// `N passed, N failed`.
    pub fn closing_line(&self) -> String {
        format!("{} passed, {} failed", self.passed(), self.failed())
    }

    /// Leaves `junit.xml`, `report.json`, `logs/` and what was kept in a directory.
    ///
    /// # Errors
    /// The disk refused.
    pub fn write(&self, dir: &Path) -> Result<(), Stop> {
        fresh_dir(dir)?;
        write(&dir.join("junit.xml"), self.junit())?;
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Stop::environment(format!("writing the report: {e}")))?;
        write(&dir.join("report.json"), json + "\n")?;
        for (name, text) in &self.logs {
            let file = name.replace('/', "-");
            write(&dir.join("logs").join(file + ".log"), text)?;
        }
        for (path, data) in &self.files {
            write(&dir.join(path), data)?;
        }
        Ok(())
    }

    fn junit(&self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"hapkg\" tests=\"{}\" failures=\"{}\">\n",
            self.tests.len(),
            self.failed()
        );
        for line in &self.tests {
            let (class, name) = line.name.split_once('/').unwrap_or(("host", &line.name));
            text.push_str(&format!(
                "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
                escape(class),
                escape(name),
                line.seconds
            ));
            match &line.outcome {
                Outcome::Passed(_) => text.push_str("/>\n"),
                Outcome::Failed(why) => text.push_str(&format!(
                    "><failure message=\"{}\">{}</failure></testcase>\n",
                    escape(why.lines().next().unwrap_or_default()),
                    escape(why)
                )),
            }
        }
        text + "</testsuite>\n</testsuites>\n"
    }
}

/// Text for XML 1.0, which has no control characters but these three.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outcome, Report};

    fn report() -> Report {
        let mut report = Report::default();
        let second = Duration::from_secs(1);
        report.add("cargo test", second, Outcome::Passed(40));
        report.add(
            "preseed/noble/vip",
            second,
            Outcome::Failed("a <b>\u{1b}\nmore".into()),
        );
        report.log("preseed/noble/vip", "$ true\n");
        report
    }

    #[test]
    fn the_closing_line_counts_what_cargo_counted() {
        assert_eq!(report().closing_line(), "40 passed, 1 failed");
    }

    #[test]
    fn junit_is_well_formed() {
        let text = report().junit();
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(
            text.contains("<failure message=\"a &lt;b&gt;\u{fffd}\">"),
            "{text}"
        );
        assert!(
            text.contains("classname=\"preseed\" name=\"noble/vip\""),
            "{text}"
        );
    }

    #[test]
    fn every_part_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("report");
        report().write(&target).unwrap();
        for name in ["junit.xml", "report.json", "logs/preseed-noble-vip.log"] {
            assert!(target.join(name).is_file(), "{name}");
        }
    }
}
