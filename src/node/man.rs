//! ubuntu-ha(8), written from the command line's own help.

use clap::Command;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::cli;

const FILES: [(&str, &str); 10] = [
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
    (
        "/etc/corosync/corosync.conf, /etc/corosync/authkey",
        "Written by apply. The corosync.conf of the package is kept and comes back \
         with leave; one that somebody else wrote is never replaced.",
    ),
    (
        "/var/lib/ubuntu-ha/",
        "What the program remembers, for root alone: the key of the cluster, the \
         original files, tokens that were given out.",
    ),
    (
        "/var/lib/ubuntu-ha/master",
        "What the key of corosync is derived from: 32 bytes, made of the secret by \
         argon2id (64 MiB of memory, 3 passes, 1 lane; the salt is \"ubuntu-ha \
         authkey 1 NAME\", where NAME is the cluster's), or random. HKDF-SHA256 makes \
         the 256 bytes of authkey of it, with the info \"ubuntu-ha corosync authkey 1\".",
    ),
    (
        "/var/lib/ubuntu-ha/journal/",
        "What apply, join or leave was about to do when it was interrupted. The \
         next run finishes it or puts everything back.",
    ),
    (
        "/var/lib/ubuntu-ha/maintain",
        "Who put the cluster or a node into maintenance, and what ran where.",
    ),
];

const STATUS: [(&str, &str); 4] = [
    ("0", "Done, or all is well."),
    (
        "1",
        "The answer is no: answers are missing or invalid, the cluster is degraded, \
         or the change was refused or failed and was put back.",
    ),
    ("2", "The command was used wrongly."),
    (
        "3",
        "The environment failed: a program is missing, a file could not be read or \
         written, or a daemon does not answer.",
    ),
];

const EXAMPLES: [(&str, &str); 9] = [
    (
        "ubuntu-ha check",
        "Say everything that is wrong with the answers.",
    ),
    (
        "echo \"vip 192.0.2.10/24\" | ubuntu-ha configure vip",
        "Set one answer and leave the others as they are.",
    ),
    (
        "ubuntu-ha plan",
        "Show what apply would change, and how a failover would run.",
    ),
    ("ubuntu-ha apply", "Make the cluster what the answers say."),
    (
        "ubuntu-ha token gamma 192.0.2.13",
        "Admit a third node; ubuntu-ha join on it takes the token.",
    ),
    (
        "ubuntu-ha status --json | jq -r .state",
        "The state of the cluster in one word.",
    ),
    (
        "ubuntu-ha maintain run -- apt-get upgrade",
        "Upgrade this node; the services stay where they are.",
    ),
    (
        "ubuntu-ha maintain on --node beta",
        "Let another node serve, before beta is rebooted.",
    ),
    (
        "ubuntu-ha leave vip",
        "Take a role out of the cluster; its answers stay.",
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
        .filter(|command| is_shown(command))
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

fn is_shown(command: &Command) -> bool {
    command.get_name() != "help" && !command.is_hide_set()
}

fn synopsis(command: &Command) -> Vec<Inline> {
    let mut line = vec![bold("ubuntu-ha"), roman(" "), bold(command.get_name())];
    line.push(roman(" [OPTION]..."));
    let parts: Vec<&str> = command
        .get_subcommands()
        .filter(|command| is_shown(command))
        .map(Command::get_name)
        .collect();
    if !parts.is_empty() {
        line.push(roman(" "));
        line.push(bold(parts.join("|")));
    }
    for argument in command.get_positionals() {
        let many = argument
            .get_num_args()
            .is_some_and(|number| number.max_values() > 1)
            || matches!(argument.get_action(), clap::ArgAction::Append);
        let (open, close) = match (argument.is_required_set(), many) {
            (true, false) => ("", ""),
            (true, true) => ("", "..."),
            (false, false) => ("[", "]"),
            (false, true) => ("[", "]..."),
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
    body(page, command);
    for part in command.get_subcommands().filter(|part| is_shown(part)) {
        let title = format!("{} {}", command.get_name(), part.get_name());
        page.control("SS", [title.as_str()]);
        body(page, part);
    }
}

fn body(page: &mut Roff, command: &Command) {
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
        let commands = cli::command();
        for command in commands.get_subcommands().filter(|one| is_shown(one)) {
            let heading = format!(".SS {}\n", command.get_name());
            assert!(page.contains(&heading), "{heading}\n{page}");
        }
        assert!(page.contains(".SS \"maintain on\"\n"), "{page}");
        assert!(!page.contains("guard"), "{page}");
        for word in ["\\-\\-json", "\\-\\-root", "cluster.toml", "EXIT STATUS"] {
            assert!(page.contains(word), "{word}\n{page}");
        }
        assert_eq!(man_page("x"), man_page("x"));
    }
}
