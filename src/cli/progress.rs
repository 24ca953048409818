//! Progress on stderr, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that tells what is being done and for how long.
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing until the first [`Progress::say`]; shows nothing at all
    /// where stderr is no terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Replaces the line.
    pub fn say(&self, text: &str) {
        self.0.enable_steady_tick(Duration::from_millis(200));
        self.0.set_message(text.to_string());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
