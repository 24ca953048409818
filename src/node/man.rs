//! ubuntu-ha(8), written from the command line's own help.

use clap::Command;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::cli;

const FILES: [(&str, &str); 5] = [
    (
        "/etc/ubuntu-ha/cluster.toml",
        "What all roles share: the cluster's name, its nodes, fencing.",
    ),
    (
        "/etc/ubuntu-ha/roles/ROLE.toml",
        "The answers of a role, one \"name = value\" a line. Edited by hand or by \
         dpkg-reconfigure, which starts from what the file says.",
    ),
    (
        "/etc/ubuntu-ha/secrets/",
        "Passwords, one file each, for root alone: secrets/cluster/NAME and \
         secrets/ROLE/NAME.",
    ),
    (
        "/usr/share/ubuntu-ha/roles/ROLE.toml",
        "The questions of an installed role and what is made of their answers.",
    ),
    (
        "/usr/share/ubuntu-ha/node.toml",
        "The same for the cluster.",
    ),
];

const STATUS: [(&str, &str); 4] = [
    ("0", "Done; nothing is wrong."),
    ("1", "Answers are missing or invalid."),
    ("2", "The command was used wrongly."),
    ("3", "A file could not be read or written; it is as it was."),
];

const EXAMPLES: [(&str, &str); 3] = [
    ("ubuntu-ha check", "Say everything that is wrong."),
    (
        "ubuntu-ha check vip --json",
        "The same for the role vip, for a program to read.",
    ),
    (
        "echo \"vip 192.0.2.10/24\" | ubuntu-ha configure vip",
        "Set one answer and leave the others as they are.",
    ),
];

const SEE_ALSO: [(&str, &str); 4] = [
    ("corosync.conf", "5"),
    ("debconf", "7"),
    ("pacemakerd", "8"),
    ("dpkg-reconfigure", "8"),
];

/// The manual page in roff; `date` is shown as it is and may be empty.
pub fn man_page(date: &str) -> Vec<u8> {
    let command = cli::command();
    let version = command.get_version().unwrap_or_default().to_string();
    let about = command.get_about().map(ToString::to_string);
    let mut page = Roff::new();
    let source = format!("ubuntu-ha {version}");
    page.control("TH", ["UBUNTU-HA", "8", date, source.as_str()]);
    page.control("SH", ["NAME"]);
    let about = lower_first(&about.unwrap_or_default());
    page.text([roman(format!("ubuntu-ha - {about}"))]);
    page.control("SH", ["SYNOPSIS"]);
    let commands: Vec<&Command> = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .collect();
    for (number, command) in commands.iter().enumerate() {
        if number > 0 {
            page.control("br", []);
        }
        page.text(synopsis(command));
    }
    page.control("SH", ["COMMANDS"]);
    for command in &commands {
        describe(&mut page, command);
    }
    page.control("SH", ["OPTIONS"]);
    options(&mut page, &command);
    listed(&mut page, "FILES", &FILES);
    listed(&mut page, "EXIT STATUS", &STATUS);
    listed(&mut page, "EXAMPLES", &EXAMPLES);
    page.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (number, (name, section)) in SEE_ALSO.iter().enumerate() {
        if number > 0 {
            line.push(roman(", "));
        }
        line.extend([bold(*name), roman(format!("({section})"))]);
    }
    page.text(line);
    page.render().into_bytes()
}

fn synopsis(command: &Command) -> Vec<Inline> {
    let mut line = vec![bold("ubuntu-ha"), roman(" "), bold(command.get_name())];
    line.push(roman(" [OPTION]..."));
    for argument in command.get_positionals() {
        let (open, close) = match argument.is_required_set() {
            true => ("", ""),
            false => ("[", "]..."),
        };
        line.push(roman(format!(" {open}")));
        for name in argument.get_value_names().unwrap_or_default() {
            line.push(italic(name.as_str()));
        }
        line.push(roman(close));
    }
    line
}

fn describe(page: &mut Roff, command: &Command) {
    page.control("SS", [command.get_name()]);
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    for (number, paragraph) in about.split("\n\n").enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        let mut text = paragraph.replace('\n', " ");
        if !text.ends_with('.') {
            text.push('.');
        }
        page.text([roman(text)]);
    }
    for argument in command.get_positionals() {
        let names = argument.get_value_names().unwrap_or_default();
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        item(page, &[italic(names.join(" "))], argument.get_help());
    }
    options(page, command);
}

fn options(page: &mut Roff, command: &Command) {
    let own = command.get_arguments().filter(|argument| {
        !argument.is_positional() && !argument.is_hide_set() && argument.get_id() != "help"
    });
    for argument in own {
        let mut title = Vec::new();
        if let Some(short) = argument.get_short() {
            title.extend([bold(format!("-{short}")), roman(", ")]);
        }
        if let Some(long) = argument.get_long() {
            title.push(bold(format!("--{long}")));
        }
        if argument.get_action().takes_values() {
            for name in argument.get_value_names().unwrap_or_default() {
                title.extend([roman(" "), italic(name.as_str())]);
            }
        }
        item(page, &title, argument.get_help());
    }
}

fn item(page: &mut Roff, title: &[Inline], help: Option<&clap::builder::StyledStr>) {
    page.control("TP", []);
    page.text(title);
    let help = help.map(ToString::to_string).unwrap_or_default();
    page.text([roman(format!("{help}."))]);
}

fn listed(page: &mut Roff, title: &str, items: &[(&str, &str)]) {
    page.control("SH", [title]);
    for (name, text) in items {
        page.control("TP", []);
        page.text([bold(*name)]);
        page.text([roman(*text)]);
    }
}

fn lower_first(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_lowercase);
    first.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_option_is_in_the_page() {
        let page = String::from_utf8(man_page("2026-11-01")).unwrap();
        assert!(page.contains(".TH UBUNTU-HA 8 2026-11-01 "), "{page}");
        for command in cli::command().get_subcommands() {
            let heading = format!(".SS {}\n", command.get_name());
            assert!(page.contains(&heading), "{heading}\n{page}");
        }
        for word in ["\\-\\-json", "\\-\\-root", "cluster.toml", "EXIT STATUS"] {
            assert!(page.contains(word), "{word}\n{page}");
        }
        assert_eq!(man_page("x"), man_page("x"));
    }
}
