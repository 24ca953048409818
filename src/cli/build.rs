//! `hapkg build`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::print;
use super::progress::Progress;
use crate::build::{self, Request};
use crate::failure::Failure;

/// Build packages, a repository and, on request, source packages for upload.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of roles, or paths of recipes [default: all].
    #[arg(value_name = "RECIPE")]
    words: Vec<String>,
    /// Suite to build for [default: all].
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
    /// Directory to leave the result in.
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// Also write source packages, ready for a PPA.
    #[arg(long)]
    source: bool,
    /// Sign the repository and the source packages with this key of gpg's.
    #[arg(long, value_name = "KEYID")]
    sign: Option<String>,
    /// Print what was built as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let progress = Progress::new();
    let built = build::build(
        &Request {
            recipes,
            words: &args.words,
            suites: &args.suites,
            out: &args.out,
            source: args.source,
            sign: args.sign.as_deref(),
        },
        &|text| progress.say(text),
    )?;
    drop(progress);
    for warning in &built.warnings {
        eprintln!("hapkg: warning: {warning}");
    }
    if args.json {
        let files: Vec<_> = built.files.iter().map(|file| json!(file)).collect();
        return print(&format!(
            "{}\n",
            json!({ "files": files, "warnings": built.warnings })
        ));
    }
    let mut text = String::new();
    for file in &built.files {
        text.push_str(&format!("{}\n", args.out.join(&file.path).display()));
    }
    print(&text)
}
