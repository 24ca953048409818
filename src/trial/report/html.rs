//! The report as one page: no script, no other file, light and dark.

use std::fmt::Write;
use std::time::Duration;

use super::model::{Group, Report, Stopped, Trial, Verdict};
use super::{summary, svg};
use crate::recipe::suite::SUITES;
use crate::trial::audit::{Verdict as Judged, meaning};
use crate::trial::scenario::told;

/// Text for an element or an attribute. Characters that XML and terminals
/// refuse are replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// `index.html`.
pub(super) fn page(report: &Report) -> String {
    let groups = report.groups();
    let mut body = String::new();
    head(&mut body, report);
    matrix(&mut body, &groups);
    figures(&mut body, &groups);
    let _ = write!(body, "<h2>Trials</h2>");
    for group in &groups {
        for trial in &group.trials {
            self::trial(&mut body, trial, group.trials.len());
        }
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>hapkg test: {}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n",
        escape(&summary::count(report)),
        include_str!("page.css")
    )
}

fn head(body: &mut String, report: &Report) {
    let _ = write!(
        body,
        "<header><h1>hapkg test</h1><p class=\"when\">{} · {} · {}</p>\n<ul class=\"counts\">",
        escape(&report.began.replace('T', " ").replace('Z', " UTC")),
        escape(&report.host),
        told(report.wall)
    );
    for verdict in [Verdict::Passed, Verdict::Failed, Verdict::Environment] {
        let count = report.count(verdict);
        let class = if count == 0 { "none" } else { verdict.text() };
        let word = match verdict {
            Verdict::Environment => "not tried: the environment failed",
            verdict => verdict.text(),
        };
        let _ = write!(body, "<li class=\"{class}\"><b>{count}</b> {word}</li>");
    }
    body.push_str("</ul>\n");
    for line in report.conditions() {
        let _ = writeln!(body, "<p class=\"condition\">{}.</p>", escape(&line));
    }
    body.push_str("</header>\n");
}

/// The anchor of a trial.
fn anchor(trial: &Trial) -> String {
    format!(
        "{}-{}-{}-{}",
        trial.role, trial.suite, trial.scenario, trial.repeat
    )
}

/// Scenario by suite, a table a role.
fn matrix(body: &mut String, groups: &[Group]) {
    let mut roles: Vec<&str> = groups
        .iter()
        .map(|group| group.first().role.as_str())
        .collect();
    roles.dedup();
    let suites: Vec<&str> = (SUITES.iter().map(|suite| suite.name))
        .filter(|name| groups.iter().any(|group| group.first().suite == *name))
        .collect();
    body.push_str("<h2>Result</h2>\n<div class=\"matrices\">\n");
    for role in roles {
        let of_role = || groups.iter().filter(|group| group.first().role == role);
        let mut names: Vec<&str> = of_role()
            .map(|group| group.first().scenario.as_str())
            .collect();
        names.dedup();
        let _ = write!(
            body,
            "<table class=\"matrix\"><thead><tr><th>{}</th>",
            escape(role)
        );
        for suite in &suites {
            let _ = write!(body, "<th>{suite}</th>");
        }
        body.push_str("</tr></thead><tbody>");
        for name in names {
            let _ = write!(body, "<tr><th>{}</th>", escape(name));
            for suite in &suites {
                let mut here = of_role().filter(|group| {
                    group.first().scenario == name && group.first().suite == *suite
                });
                match here.next() {
                    Some(group) => cell(body, group),
                    None => body.push_str("<td class=\"none\">·</td>"),
                }
            }
            body.push_str("</tr>");
        }
        body.push_str("</tbody></table>\n");
    }
    body.push_str("</div>\n");
}

fn cell(body: &mut String, group: &Group) {
    let verdict = group.verdict();
    let worst = group.trials.iter().find(|trial| trial.verdict == verdict);
    let target = anchor(worst.unwrap_or(&group.first()));
    let sign = match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Environment => "?",
    };
    let outage = group
        .outages()
        .map_or(String::new(), |figures| format!(" {}", told(figures.p50)));
    let times = match group.trials.len() {
        1 => String::new(),
        times => format!(" <small>×{times}</small>"),
    };
    let _ = write!(
        body,
        "<td class=\"{}\"><a href=\"#{}\">{sign}{}{times}</a></td>",
        verdict.text(),
        escape(&target),
        escape(&outage)
    );
}

/// Outages with their statistics, beside the model.
fn figures(body: &mut String, groups: &[Group]) {
    let told_of: Vec<&Group> = groups
        .iter()
        .filter(|group| group.outages().is_some())
        .collect();
    let most = told_of
        .iter()
        .filter_map(|group| Some(group.outages()?.max))
        .max();
    let Some(most) = most else { return };
    body.push_str(
        "<h2>Outages</h2>\n<p>From the last good answer that the client had to the first good \
         one after. The bar is the model’s floor: token + consensus + fence + start.</p>\n\
         <div class=\"wide\"><table class=\"figures\"><thead><tr><th>Role</th><th>Suite</th><th>Scenario</th>\
         <th class=\"n\">Runs</th><th class=\"n\">p50</th><th class=\"n\">p95</th><th class=\"n\">Max</th>\
         <th class=\"n\">Floor</th><th class=\"n\">Lost</th>",
    );
    let _ = write!(body, "<th>0 to {}</th></tr></thead><tbody>", told(most));
    for group in told_of {
        let Some(figures) = group.outages() else {
            continue;
        };
        let first = group.first();
        let optional = |time: Option<Duration>| time.map_or("–".to_string(), told);
        let lost = group
            .lost()
            .map_or("–".to_string(), |lost| lost.to_string());
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{lost}</td><td>{}</td></tr>",
            escape(&first.role),
            escape(&first.suite),
            escape(&first.scenario),
            figures.count,
            told(figures.p50),
            told(figures.p95),
            told(figures.max),
            optional(group.floor()),
            svg::strip(group, most)
        );
    }
    body.push_str("</tbody></table></div>\n");
}

fn trial(body: &mut String, trial: &Trial, repeats: usize) {
    let open = if trial.verdict == Verdict::Passed {
        ""
    } else {
        " open"
    };
    let outage = trial.outage().map_or(String::new(), |outage| {
        let still = if outage.open { ", not ended" } else { "" };
        format!(
            "<span class=\"outage\">outage {}{still}</span>",
            told(outage.length)
        )
    });
    let number = match repeats {
        1 => String::new(),
        _ => format!(" <small>#{}</small>", trial.repeat),
    };
    let _ = writeln!(
        body,
        "<details class=\"trial {0}\" id=\"{1}\"{open}>\n<summary><span class=\"badge {0}\">{0}</span> \
         <b>{2}</b>{number} <span class=\"where\">{3} · {4}</span> {outage}</summary>\n<p>{5}.</p>",
        trial.verdict.text(),
        escape(&anchor(trial)),
        escape(&trial.scenario),
        escape(&trial.role),
        escape(&trial.suite),
        escape(&upper_first(&trial.summary))
    );
    if !trial.why.is_empty() {
        body.push_str("<ul class=\"why\">");
        for why in &trial.why {
            let _ = write!(body, "<li>{}</li>", escape(why));
        }
        body.push_str("</ul>\n");
    }
    let begun = !trial.steps.is_empty() || !trial.spans.is_empty();
    if begun {
        for (index, window) in svg::windows(trial).into_iter().enumerate() {
            let caption = match index {
                0 => "the whole trial",
                _ => "the outage, enlarged",
            };
            let _ = writeln!(
                body,
                "<figure>{}<figcaption>{caption}</figcaption></figure>",
                svg::timeline(trial, window)
            );
        }
    }
    body.push_str("<div class=\"columns\">\n");
    steps(body, trial);
    audits(body, trial);
    body.push_str("</div>\n");
    conditions(body, trial);
    events(body, trial);
    for attachment in &trial.attachments {
        let _ = writeln!(
            body,
            "<details class=\"log\"><summary>{}</summary><pre>{}</pre></details>",
            escape(&attachment.name),
            escape(&attachment.text)
        );
    }
    body.push_str("</details>\n");
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn steps(body: &mut String, trial: &Trial) {
    if trial.steps.is_empty() {
        return;
    }
    body.push_str("<section><h3>Steps</h3><ol class=\"steps\">");
    for step in &trial.steps {
        let class = if step.stopped.is_some() {
            "stopped"
        } else {
            ""
        };
        let _ = write!(
            body,
            "<li class=\"{class}\"><span class=\"at\">{}</span> {} <small>{}</small>",
            told(step.from),
            escape(&step.text),
            told(step.to.saturating_sub(step.from))
        );
        if let Some(note) = &step.note {
            let _ = write!(body, "<p class=\"note\">{}</p>", escape(note));
        }
        let reasons = match &step.stopped {
            Some(Stopped::Role(reasons)) => reasons.clone(),
            Some(Stopped::Environment(reason)) => vec![format!("environment: {reason}")],
            None => Vec::new(),
        };
        for reason in reasons {
            let _ = write!(body, "<p class=\"reason\">{}</p>", escape(&reason));
        }
        body.push_str("</li>");
    }
    body.push_str("</ol></section>\n");
}

fn audits(body: &mut String, trial: &Trial) {
    let there: Vec<_> = (trial.audits.iter())
        .filter(|audit| audit.verdict != Judged::Absent)
        .collect();
    if there.is_empty() {
        return;
    }
    body.push_str("<section><h3>Audits</h3><ul class=\"audits\">");
    for audit in there {
        let (class, sign, reason) = match &audit.verdict {
            Judged::Broken => ("failed", "✗", None),
            Judged::Allowed(reason) => ("allowed", "!", Some(reason)),
            Judged::Held | Judged::Absent => ("passed", "✓", None),
        };
        let _ = write!(
            body,
            "<li class=\"{class}\"><span class=\"sign\">{sign}</span> {}",
            escape(meaning(&audit.name))
        );
        if let Some(reason) = reason {
            let _ = write!(
                body,
                "<p class=\"note\">allowed here: {}</p>",
                escape(reason)
            );
        }
        for line in &audit.evidence {
            let _ = write!(body, "<p class=\"reason\">{}</p>", escape(line));
        }
        body.push_str("</li>");
    }
    body.push_str("</ul></section>\n");
}

fn conditions(body: &mut String, trial: &Trial) {
    let mut words = Vec::new();
    if !trial.accelerator.is_empty() {
        words.push(format!(
            "{}, time limits ×{:.0}",
            trial.accelerator, trial.scale
        ));
        let how = if trial.cold {
            "booted and formed"
        } else {
            "forked from a template"
        };
        words.push(format!("{how} in {}", told(trial.start)));
    }
    if !trial.late.is_zero() {
        words.push(format!(
            "the client was late by {} at worst",
            told(trial.late)
        ));
    }
    if let Some(floor) = trial.floor {
        let parts = floor
            .parts()
            .map(|(name, time)| format!("{name} {}", told(time)));
        words.push(format!(
            "floor {} = {}",
            told(floor.total()),
            parts.join(" + ")
        ));
    }
    if let Some(records) = trial.records {
        words.push(format!(
            "{} records acknowledged, {} stored, {} lost",
            records.acknowledged, records.stored, records.lost
        ));
    }
    words.extend(trial.stubs.iter().map(|stub| format!("{stub} is a stub")));
    if trial.kept {
        words.push(format!("of an earlier run, {}", trial.began));
    }
    let packages = trial.packages.iter();
    words.extend(packages.map(|one| format!("{} {}", one.name, one.version)));
    if !words.is_empty() {
        let _ = writeln!(
            body,
            "<p class=\"small\">{}</p>",
            escape(&words.join(" · "))
        );
    }
}

fn events(body: &mut String, trial: &Trial) {
    if trial.events.is_empty() {
        return;
    }
    let _ = write!(
        body,
        "<details class=\"log\"><summary>{} events of the journals</summary>\
         <table class=\"events\"><tbody>",
        trial.events.len()
    );
    let mut events: Vec<_> = trial.events.iter().collect();
    events.sort_by_key(|event| event.at);
    for event in events {
        let _ = writeln!(
            body,
            "<tr><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            told(event.at),
            escape(event.node.as_deref().unwrap_or("")),
            event.kind.text(),
            escape(&event.text)
        );
    }
    body.push_str("</tbody></table></details>\n");
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// The page as XML: everything in it is well-formed and self-contained.
    fn xml(page: &str) -> String {
        let page = page.replace("<!DOCTYPE html>\n", "");
        page.replace(" open>", ">")
            .replace("<meta charset=\"utf-8\">", "")
            .lines()
            .filter(|line| !line.starts_with("<meta "))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_page_is_well_formed_and_needs_nothing_else() {
        let page = page(&sample::report());
        let text = xml(&page);
        let document = roxmltree::Document::parse(&text).unwrap();
        for node in document.descendants() {
            let name = node.tag_name().name();
            assert!(
                !["script", "link", "img", "iframe"].contains(&name),
                "{name}"
            );
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(!name.starts_with("on"), "{name}");
                assert!(name != "href" || value.starts_with('#'), "{value}");
            }
        }
        assert!(!page.contains("url("), "nothing is fetched");
    }

    #[test]
    fn every_link_leads_to_a_trial() {
        let text = xml(&page(&sample::report()));
        let document = roxmltree::Document::parse(&text).unwrap();
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|n| n.attribute("id"))
            .collect();
        for link in document
            .descendants()
            .filter_map(|node| node.attribute("href"))
        {
            assert!(ids.contains(&&link[1..]), "{link}");
        }
        assert_eq!(ids.len(), 6);
    }

    #[test]
    fn no_text_can_break_out() {
        let mut report = sample::report();
        let evil = "</pre></details><script>alert(1)</script>\u{1b}\u{0} \"'&";
        for trial in &mut report.trials {
            trial.why.push(evil.into());
            trial.scenario.push_str(evil);
            trial.stubs.push(evil.into());
            for event in &mut trial.events {
                event.text.push_str(evil);
            }
            for step in &mut trial.steps {
                step.text.push_str(evil);
                step.note = Some(evil.into());
            }
            for attachment in &mut trial.attachments {
                attachment.text.push_str(evil);
            }
        }
        let page = page(&report);
        assert!(!page.contains("<script"), "{page}");
        roxmltree::Document::parse(&xml(&page)).unwrap();
    }

    #[test]
    fn what_failed_is_open_and_says_why() {
        let page = page(&sample::report());
        assert_eq!(page.matches(" open>").count(), 2);
        assert!(page.contains("alpha and beta both held the address at 9.3 s"));
        assert!(page.contains("is a stub"));
        assert!(page.contains("stretched 6 times"));
    }

    #[test]
    fn what_another_run_found_is_told_as_such() {
        let mut report = sample::report();
        report.trials[0].kept = true;
        report.trials[0].packages[0].sha256 = "0e".repeat(32);
        let page = page(&report);
        for text in [
            "1 of 6 trials are of earlier runs",
            "of an earlier run, 2026-11-05T",
            "ubuntu-ha-vip on resolute was of 2 different builds",
            "ubuntu-ha-vip 1.0~ubuntu26.04.1",
        ] {
            assert!(page.contains(text), "{text}");
        }
    }
}
