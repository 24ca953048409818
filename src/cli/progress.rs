//! Progress on stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a log, which cannot replace a line, gets one.
const SILENCE: Duration = Duration::from_secs(15);

/// A line that tells what is being done and for how long. Where stderr is no
/// terminal it becomes a new line at most every 15 seconds, and none within
/// the first 15: what is quick says nothing.
pub struct Progress {
    bar: ProgressBar,
    /// When a log was last told something; `None` on a terminal.
    told: Option<Mutex<Instant>>,
}

impl Progress {
    /// Shows nothing until the first [`Progress::say`].
    pub fn new() -> Self {
        Self::of(ProgressBar::with_draw_target(
            None,
            ProgressDrawTarget::stderr(),
        ))
    }

    fn of(bar: ProgressBar) -> Self {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        let log = !std::io::stderr().is_terminal();
        Self {
            bar,
            told: log.then(|| Mutex::new(Instant::now())),
        }
    }

    /// Replaces the line.
    pub fn say(&self, text: &str) {
        let Some(told) = &self.told else {
            self.bar.enable_steady_tick(Duration::from_millis(200));
            self.bar.set_message(text.to_string());
            return;
        };
        let mut told = told.lock().unwrap_or_else(|held| held.into_inner());
        if told.elapsed() >= SILENCE {
            eprintln!("{text}");
            *told = Instant::now();
        }
    }

    /// Writes a line above it.
    pub fn print(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Several lines of progress on one terminal.
pub struct Screen(MultiProgress);

impl Screen {
    pub fn new() -> Self {
        Self(MultiProgress::new())
    }

    /// One more line, until it is dropped.
    pub fn progress(&self) -> Progress {
        Progress::of(self.0.add(ProgressBar::new_spinner()))
    }

    /// Writes a line above those of progress.
    pub fn print(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }
}
