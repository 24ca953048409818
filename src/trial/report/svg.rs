//! Drawings for the page: a trial's timeline, a strip of outages. Colours are
//! classes of the page's style, so that they follow the reader's theme.

use std::fmt::Write;
use std::time::Duration;

use super::html::escape;
use super::model::{Group, Held, Stretch, Trial};
use super::outage::Outage;
use crate::trial::event::{Event, Kind};
use crate::trial::fact::ProbeKind;
use crate::trial::scenario::told;

const WIDTH: f64 = 1000.0;
/// Room for the names of lanes.
const GUTTER: f64 = 84.0;
const MARGIN: f64 = 14.0;
/// A letter of the labels, about.
const LETTER: f64 = 5.9;

/// The part of a trial that is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub from: Duration,
    pub to: Duration,
}

/// The whole trial, and the outage enlarged where it is a small part.
pub(super) fn windows(trial: &Trial) -> Vec<Window> {
    let to = trial.length.max(Duration::from_millis(100));
    // Waiting for the start state is of no interest.
    let first = trial.steps.first().map_or(Duration::ZERO, |step| step.from);
    let whole = Window {
        from: first
            .saturating_sub(to.saturating_sub(first) / 15)
            .min(to / 2),
        to,
    };
    let mut windows = vec![whole];
    if let Some(outage) = trial
        .outage()
        .filter(|outage| outage.length.as_millis() > 200)
    {
        let room = outage.length / 6;
        let part = Window {
            from: outage.from.saturating_sub(room),
            to: (outage.from + outage.length + room).min(whole.to),
        };
        if (part.to - part.from) * 3 < whole.to - whole.from {
            windows.push(part);
        }
    }
    windows
}

struct Canvas {
    body: String,
    window: Window,
    y: f64,
}

impl Canvas {
    fn x(&self, at: Duration) -> f64 {
        let all = (self.window.to - self.window.from).as_secs_f64();
        let at = at.clamp(self.window.from, self.window.to) - self.window.from;
        GUTTER + at.as_secs_f64() / all * (WIDTH - GUTTER - MARGIN)
    }

    fn shows(&self, from: Duration, to: Duration) -> bool {
        to >= self.window.from && from <= self.window.to
    }

    fn lane(&mut self, name: &str, middle: f64) {
        let y = self.y + middle + 4.0;
        let (x, name) = (GUTTER - 10.0, escape(name));
        let _ = write!(
            self.body,
            "<text class=\"lane\" x=\"{x}\" y=\"{y:.1}\">{name}</text>"
        );
    }

    fn bar(
        &mut self,
        class: &str,
        from: Duration,
        to: Duration,
        top: f64,
        height: f64,
        title: &str,
    ) {
        if !self.shows(from, to) {
            return;
        }
        let (x, end) = (self.x(from), self.x(to));
        let (y, width) = (self.y + top, (end - x).max(0.8));
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height}\"><title>{}</title></rect>",
            escape(title)
        );
    }

    fn text(&mut self, class: &str, x: f64, top: f64, text: &str) {
        let y = self.y + top;
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escape(text)
        );
    }
}

/// A trial's timeline within the window.
pub(super) fn timeline(trial: &Trial, window: Window) -> String {
    let mut canvas = Canvas {
        body: String::new(),
        window,
        y: 20.0,
    };
    probes(&mut canvas, trial);
    if let Some(outage) = trial.outage() {
        floor(&mut canvas, trial, outage);
    }
    for node in &trial.nodes {
        lane_of(&mut canvas, trial, node);
    }
    let bottom = canvas.y;
    let steps = steps(&canvas, trial, bottom);
    axis(&mut canvas);
    let height = canvas.y + 4.0;
    let name = format!(
        "timeline of {}, {} to {}",
        trial.path(),
        told(window.from),
        told(window.to)
    );
    format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"{}\">{steps}{}</svg>",
        escape(&name),
        canvas.body
    )
}

/// Numbered marks over the whole height, drawn below the rest.
fn steps(canvas: &Canvas, trial: &Trial, bottom: f64) -> String {
    let mut text = String::new();
    let mut last = f64::MIN;
    for (index, step) in trial.steps.iter().enumerate() {
        if !canvas.shows(step.from, step.from) {
            continue;
        }
        let x = canvas.x(step.from);
        // Steps at one moment stand beside each other.
        let mark = x.max(last + 15.0);
        last = mark;
        let class = if step.stopped.is_some() {
            "stopped"
        } else {
            "done"
        };
        let _ = write!(
            text,
            "<g class=\"step {class}\"><title>{}</title>\
             <line x1=\"{x:.1}\" y1=\"16\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
             <circle cx=\"{mark:.1}\" cy=\"9\" r=\"7\"/>\
             <text x=\"{mark:.1}\" y=\"12.5\">{}</text></g>",
            escape(&step.text),
            index + 1
        );
    }
    text
}

fn probes(canvas: &mut Canvas, trial: &Trial) {
    let nearest = trial.outage().map(|outage| outage.kind);
    for kind in ProbeKind::NEAREST.into_iter().chain([ProbeKind::Write]) {
        let spans: Vec<_> = trial
            .spans
            .iter()
            .filter(|span| span.kind == kind)
            .collect();
        if spans.is_empty() {
            continue;
        }
        canvas.lane(kind.text(), 9.0);
        for span in spans {
            let class = if span.good { "good" } else { "bad" };
            let word = if span.good { "answered" } else { "no answer" };
            let length = told(span.to.saturating_sub(span.from));
            let title = format!("{}: {word} for {length}", kind.text());
            canvas.bar(class, span.from, span.to, 2.0, 14.0, &title);
        }
        if nearest == Some(kind) {
            if let Some(outage) = trial.outage() {
                let end = outage.from + outage.length;
                let room = canvas.x(end) - canvas.x(outage.from);
                let text = told(outage.length);
                if canvas.shows(outage.from, end) && room > LETTER * text.len() as f64 + 8.0 {
                    let middle = f64::midpoint(canvas.x(outage.from), canvas.x(end));
                    canvas.text("on-bad", middle, 13.0, &text);
                }
            }
        }
        canvas.y += 19.0;
    }
}

/// The model's floor, from where the outage begins.
fn floor(canvas: &mut Canvas, trial: &Trial, outage: &Outage) {
    let Some(floor) = trial.floor else { return };
    let mut from = outage.from;
    canvas.lane("model", 9.0);
    for (index, (name, length)) in floor.parts().into_iter().enumerate() {
        let to = from + length;
        let title = format!("{name}: {}", told(length));
        canvas.bar(&format!("floor f{index}"), from, to, 2.0, 14.0, &title);
        let room = canvas.x(to) - canvas.x(from);
        if canvas.shows(from, to) && room > LETTER * name.len() as f64 + 6.0 {
            let middle = f64::midpoint(canvas.x(from), canvas.x(to));
            canvas.text("on-floor", middle, 13.0, name);
        }
        from = to;
    }
    let beyond = outage.length.saturating_sub(floor.total());
    let text = format!("{} beyond the model", told(beyond));
    let end = outage.from + outage.length;
    let room = canvas.x(end) - canvas.x(from);
    if !outage.open && canvas.shows(from, end) && room > LETTER * text.len() as f64 + 10.0 {
        canvas.bar("beyond", from, end, 8.5, 1.0, &text);
        let middle = f64::midpoint(canvas.x(from), canvas.x(end));
        canvas.text("small middle halo", middle, 13.0, &text);
    }
    canvas.y += 23.0;
}

/// A node: what it held, whether it ran, what its journal tells.
fn lane_of(canvas: &mut Canvas, trial: &Trial, node: &str) {
    let mine = |event: &&Event| event.node.as_deref() == Some(node) && is_drawn(event.kind);
    let events: Vec<&Event> = (trial.events.iter().filter(mine))
        .filter(|event| canvas.shows(event.at, event.at))
        .collect();
    let rows = labels(canvas, &events);
    let used = rows.iter().flatten().max().map_or(0, |row| row + 1);
    let top = 3.0 + 12.0 * used as f64;
    canvas.lane(node, top + 7.0);
    let line_y = top + 6.5;
    canvas.bar(
        "base",
        canvas.window.from,
        canvas.window.to,
        line_y,
        1.0,
        node,
    );
    for held in trial.held.iter().filter(|held| held.node == node) {
        stretch(canvas, held, top);
    }
    for (event, row) in events.iter().zip(rows) {
        let x = canvas.x(event.at);
        let (y1, class) = (canvas.y + top - 1.0, class(event.kind));
        let y2 = canvas.y + top + 15.0;
        let title = escape(&format!("{} {}", told(event.at), event.text));
        let _ = write!(
            canvas.body,
            "<g class=\"event {class}\"><title>{title}</title>\
             <line x1=\"{x:.1}\" y1=\"{y1:.1}\" x2=\"{x:.1}\" y2=\"{y2:.1}\"/></g>"
        );
        if let Some(row) = row {
            let below = canvas.y + 12.0 + 12.0 * row as f64;
            let _ = write!(
                canvas.body,
                "<line class=\"lead\" x1=\"{x:.1}\" y1=\"{below:.1}\" x2=\"{x:.1}\" y2=\"{y1:.1}\"/>\
                 <text class=\"event-text {class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 2.5,
                below - 1.0,
                escape(&short(event))
            );
        }
    }
    canvas.y += top + 21.0;
}

fn stretch(canvas: &mut Canvas, held: &Held, top: f64) {
    let (class, word) = match held.what {
        Stretch::Address => ("held", "held the address"),
        Stretch::Off => ("off", "off"),
        Stretch::Frozen => ("frozen", "frozen"),
    };
    let title = format!(
        "{} {word} for {}",
        held.node,
        told(held.to.saturating_sub(held.from))
    );
    canvas.bar(class, held.from, held.to, top, 14.0, &title);
    let label = match held.what {
        Stretch::Address => "holds the address",
        _ => word,
    };
    let room = canvas.x(held.to) - canvas.x(held.from);
    if canvas.shows(held.from, held.to) && room > LETTER * label.len() as f64 + 12.0 {
        let x = canvas.x(held.from.max(canvas.window.from)) + 6.0;
        canvas.text(&format!("on-{class}"), x, top + 11.0, label);
    }
}

/// Transitions come by the dozen and say little.
fn is_drawn(kind: Kind) -> bool {
    !matches!(kind, Kind::Transition | Kind::Apply)
}

/// The row of each event's label, as many as fit; none where there is no
/// room, and the mark tells it by its title.
fn labels(canvas: &Canvas, events: &[&Event]) -> Vec<Option<usize>> {
    const ROWS: usize = 4;
    let mut ends = [f64::MIN; ROWS];
    let mut rows = Vec::new();
    for event in events {
        let x = canvas.x(event.at);
        let end = x + 2.5 + LETTER * short(event).chars().count() as f64 + 6.0;
        let free = ends.iter().position(|taken| *taken < x);
        let free = free.filter(|_| end < WIDTH);
        if let Some(row) = free {
            ends[row] = end;
        }
        rows.push(free);
    }
    // The first label is nearest to the lane.
    let used = rows.iter().flatten().max().map_or(0, |row| row + 1);
    rows.into_iter()
        .map(|row| row.map(|row| used - 1 - row))
        .collect()
}

/// What fits beside a mark.
fn short(event: &Event) -> String {
    let text = match event.kind {
        Kind::Membership | Kind::Fenced | Kind::FenceBegun | Kind::FenceFailed => {
            event.kind.text().to_string()
        }
        Kind::Dc if event.text.starts_with("becomes") => "coordinator".into(),
        Kind::Start | Kind::Stop | Kind::Promote | Kind::Demote => event
            .text
            .split(" on ")
            .next()
            .unwrap_or_default()
            .replace(" of ", " "),
        Kind::Failed => event.text.split(": ").next().unwrap_or_default().into(),
        _ => event.text.clone(),
    };
    match text.char_indices().nth(30) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Token | Kind::FenceFailed | Kind::Failed | Kind::Daemon => "e-bad",
        Kind::FenceBegun | Kind::Fenced => "e-fence",
        Kind::Start | Kind::Promote => "e-good",
        _ => "e-plain",
    }
}

/// Seconds below everything.
fn axis(canvas: &mut Canvas) {
    let all = (canvas.window.to - canvas.window.from).as_secs_f64();
    let steps = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    ];
    let step = steps
        .into_iter()
        .find(|step| all / step <= 14.0)
        .unwrap_or(1800.0);
    let y = canvas.y;
    let _ = write!(
        canvas.body,
        "<line class=\"axis\" x1=\"{GUTTER}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>",
        WIDTH - MARGIN
    );
    let mut tick = (canvas.window.from.as_secs_f64() / step).ceil() as u64;
    while tick as f64 * step <= canvas.window.to.as_secs_f64() {
        let at = tick as f64 * step;
        let x = canvas.x(Duration::from_secs_f64(at));
        let label = if step < 1.0 {
            format!("{at:.1}")
        } else {
            format!("{at:.0}")
        };
        let _ = write!(
            canvas.body,
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{label} s</text>",
            y + 4.0,
            y + 15.0
        );
        tick += 1;
    }
    canvas.y += 20.0;
}

/// Outages of all repeats as dots on a line from nought to `most`, with the
/// model's floor.
pub(super) fn strip(group: &Group, most: Duration) -> String {
    const LONG: f64 = 240.0;
    let Some(figures) = group.outages() else {
        return String::new();
    };
    let most = most.as_secs_f64().max(0.001);
    let x = |time: Duration| 6.0 + time.as_secs_f64() / most * (LONG - 12.0);
    let mut body = format!(
        "<line class=\"axis\" x1=\"6\" y1=\"10\" x2=\"{:.1}\" y2=\"10\"/>",
        LONG - 6.0
    );
    if let Some(floor) = group.floor() {
        let _ = write!(
            body,
            "<line class=\"model\" x1=\"{0:.1}\" y1=\"2\" x2=\"{0:.1}\" y2=\"18\"><title>model: {1}</title></line>",
            x(floor),
            told(floor)
        );
    }
    for one in &figures.all {
        let _ = write!(
            body,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"10\" r=\"3.4\"><title>{}</title></circle>",
            x(*one),
            told(*one)
        );
    }
    format!("<svg class=\"strip\" viewBox=\"0 0 {LONG} 20\" aria-hidden=\"true\">{body}</svg>")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn every_drawing_is_sound_xml_within_its_box() {
        for trial in &sample::report().trials {
            for window in windows(trial) {
                let text = timeline(trial, window);
                let xml = roxmltree::Document::parse(&text).unwrap();
                let number = |node: &roxmltree::Node, name: &str| {
                    node.attribute(name)
                        .map_or(0.0, |text| text.parse::<f64>().unwrap())
                };
                for node in xml.descendants().filter(|node| node.has_tag_name("rect")) {
                    let end = number(&node, "x") + number(&node, "width");
                    assert!(end <= WIDTH && number(&node, "x") >= GUTTER - 0.1, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_short_outage_is_enlarged() {
        assert_eq!(windows(&sample::power_off(1, 6100)).len(), 2);
        let mut all = sample::power_off(1, 20_000);
        assert_eq!(windows(&all).len(), 1);
        all.outages.clear();
        assert_eq!(windows(&all).len(), 1);
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let trial = sample::power_off(1, 6100);
        let canvas = Canvas {
            body: String::new(),
            window: windows(&trial)[1],
            y: 0.0,
        };
        let events: Vec<&Event> = trial.events.iter().collect();
        let rows = labels(&canvas, &events);
        let mut taken: Vec<(usize, f64, f64)> = Vec::new();
        for (event, row) in events.iter().zip(rows) {
            let Some(row) = row else { continue };
            let from = canvas.x(event.at);
            let to = from + LETTER * short(event).chars().count() as f64;
            let clash = taken
                .iter()
                .any(|(other, a, b)| *other == row && from < *b && to > *a);
            assert!(!clash, "{}", event.text);
            taken.push((row, from, to));
        }
    }
}
