//! What an administrator does in a scenario, as the command that does it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::raw::ActWord;

/// One act on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Act<N> {
    pub word: ActWord,
    pub node: N,
    /// For `leave`: the member that takes the node out, which is dead.
    pub on: Option<N>,
    /// The role it is about; the scenario's own without it.
    pub role: Option<String>,
    /// Packages to upgrade; without any, those of the role.
    pub packages: Vec<String>,
    /// For `cleanup`: of which resources; of all without any.
    pub resources: Vec<String>,
    /// For `reconfigure`: question to answer.
    pub answers: BTreeMap<String, String>,
}

impl ActWord {
    /// As it is written in a scenario.
    pub fn text(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Apply => "apply",
            Self::Reboot => "reboot",
            Self::ShutDown => "shut-down",
            Self::Standby => "standby",
            Self::Unstandby => "unstandby",
            Self::Maintain => "maintain",
            Self::MaintainEnd => "maintain-end",
            Self::Upgrade => "upgrade",
            Self::Remove => "remove",
            Self::Purge => "purge",
            Self::Leave => "leave",
            Self::Join => "join",
            Self::Reconfigure => "reconfigure",
            Self::Cleanup => "cleanup",
            Self::Move => "move",
        }
    }
}

impl<N> Act<N> {
    /// The same act on a node with another name.
    pub fn bind<M, E>(&self, mut name: impl FnMut(&N) -> Result<M, E>) -> Result<Act<M>, E> {
        Ok(Act {
            word: self.word,
            node: name(&self.node)?,
            on: self.on.as_ref().map(&mut name).transpose()?,
            role: self.role.clone(),
            packages: self.packages.clone(),
            resources: self.resources.clone(),
            answers: self.answers.clone(),
        })
    }
}

const APT: &str = "DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold";

impl Act<String> {
    /// The shell that does it on [`Act::node`], or on [`Act::on`], for the scenario's `role`;
    /// `None` where more than one node takes part.
    pub fn shell(&self, role: &str) -> Option<String> {
        let role = self.role.as_deref().unwrap_or(role);
        let package = format!("ubuntu-ha-{role}");
        let node = &self.node;
        Some(match self.word {
            ActWord::Install => format!("{APT} install {package}"),
            ActWord::Apply => "ubuntu-ha apply".into(),
            // Replies first: the shell goes down with the machine.
            ActWord::Reboot => "systemd-run --on-active=1 systemctl reboot".into(),
            ActWord::ShutDown => "systemd-run --on-active=1 systemctl poweroff".into(),
            ActWord::Standby => format!("ubuntu-ha maintain on --node {node}"),
            ActWord::Unstandby => format!("ubuntu-ha maintain off --node {node}"),
            ActWord::Maintain => "ubuntu-ha maintain on".into(),
            ActWord::MaintainEnd => "ubuntu-ha maintain off".into(),
            ActWord::Upgrade if self.packages.is_empty() => {
                format!("{APT} install --reinstall {package} ubuntu-ha-node")
            }
            ActWord::Upgrade => format!("{APT} install --reinstall {}", self.packages.join(" ")),
            ActWord::Remove => format!("{APT} remove {package}"),
            ActWord::Purge => format!("{APT} purge {package}"),
            ActWord::Leave if self.role.is_some() => format!("ubuntu-ha leave {role}"),
            ActWord::Leave if self.on.is_some() => format!("ubuntu-ha leave --node {node}"),
            ActWord::Leave => "ubuntu-ha leave".into(),
            ActWord::Join => return None,
            ActWord::Reconfigure => self.reconfigure(&package),
            ActWord::Cleanup if !self.resources.is_empty() => self.cleanup(),
            ActWord::Cleanup => {
                "crm_resource --cleanup && stonith_admin --cleanup --history='*'".into()
            }
            ActWord::Move => format!("crm_resource --move -r {role}-ip --node {node}"),
        })
    }

    /// Of these resources alone: without --force crm_resource(8) takes the whole
    /// group. Of a fence device also how it has fenced.
    fn cleanup(&self) -> String {
        let one = |id: &String| {
            let mut shell = format!("crm_resource --cleanup --force --resource {id}");
            if let Some(node) = id.strip_prefix("fence-") {
                shell.push_str(&format!(" && stonith_admin --cleanup --history={node}"));
            }
            shell
        };
        self.resources
            .iter()
            .map(one)
            .collect::<Vec<_>>()
            .join(" && ")
    }

    /// New answers by debconf, as `dpkg-reconfigure` takes them without a
    /// terminal.
    fn reconfigure(&self, package: &str) -> String {
        let mut shell = String::from("set -e\n");
        for (question, answer) in &self.answers {
            shell.push_str(&format!(
                "printf '%s\\n' {} | debconf-set-selections\n",
                quote(&format!("{package} {package}/{question} string {answer}"))
            ));
        }
        shell.push_str(&format!(
            "rm -f /etc/ubuntu-ha/roles/{}.toml\n",
            package.trim_start_matches("ubuntu-ha-")
        ));
        shell.push_str(&format!(
            "DEBIAN_FRONTEND=noninteractive dpkg-reconfigure -u {package}"
        ));
        shell
    }
}

/// One word of the shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl<N: fmt::Display> fmt::Display for Act<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        let role = self.role.as_deref();
        match self.word {
            ActWord::Install => write!(f, "install {} on {node}", role.unwrap_or("the role")),
            ActWord::Apply => write!(f, "ubuntu-ha apply on {node}"),
            ActWord::Reboot => write!(f, "reboot {node}"),
            ActWord::ShutDown => write!(f, "shut {node} down"),
            ActWord::Standby => write!(f, "make {node} stand by"),
            ActWord::Unstandby => write!(f, "let {node} serve again"),
            ActWord::Maintain => write!(f, "maintenance on, from {node}"),
            ActWord::MaintainEnd => write!(f, "maintenance off, from {node}"),
            ActWord::Upgrade if self.packages.is_empty() => {
                write!(f, "upgrade {} on {node}", role.unwrap_or("the role"))
            }
            ActWord::Upgrade => write!(f, "upgrade {} on {node}", self.packages.join(", ")),
            ActWord::Remove => write!(f, "remove {} on {node}", role.unwrap_or("the role")),
            ActWord::Purge => write!(f, "purge {} on {node}", role.unwrap_or("the role")),
            ActWord::Leave => match (role, &self.on) {
                (Some(role), _) => write!(f, "take {role} out of the cluster, on {node}"),
                (None, Some(on)) => write!(f, "take {node} out of the cluster, on {on}"),
                (None, None) => write!(f, "{node} leaves the cluster"),
            },
            ActWord::Join => write!(f, "{node} joins by a token"),
            ActWord::Reconfigure => {
                let answers: Vec<String> = (self.answers.iter())
                    .map(|(question, answer)| format!("{question} = {answer}"))
                    .collect();
                write!(f, "reconfigure {node}: {}", answers.join(", "))
            }
            ActWord::Cleanup if self.resources.is_empty() => {
                write!(f, "forget failures, from {node}")
            }
            ActWord::Cleanup => {
                let of = self.resources.join(", ");
                write!(f, "forget failures of {of}, from {node}")
            }
            ActWord::Move => write!(f, "move the address to {node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(word: ActWord) -> Act<String> {
        Act {
            word,
            node: "beta".into(),
            on: None,
            role: None,
            packages: Vec::new(),
            resources: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    #[test]
    fn an_act_becomes_a_command() {
        let shell = |act: &Act<String>| act.shell("vip").unwrap();
        assert_eq!(
            shell(&act(ActWord::Standby)),
            "ubuntu-ha maintain on --node beta"
        );
        assert!(shell(&act(ActWord::Purge)).ends_with("purge ubuntu-ha-vip"));
        assert_eq!(shell(&act(ActWord::Leave)), "ubuntu-ha leave");
        let mut one = act(ActWord::Leave);
        one.role = Some("drbd".into());
        assert_eq!(shell(&one), "ubuntu-ha leave drbd");
        let mut one = act(ActWord::Leave);
        one.on = Some("alpha".into());
        assert_eq!(shell(&one), "ubuntu-ha leave --node beta");
        assert_eq!(one.to_string(), "take beta out of the cluster, on alpha");
        let mut one = act(ActWord::Upgrade);
        assert!(shell(&one).ends_with("--reinstall ubuntu-ha-vip ubuntu-ha-node"));
        one.packages = vec!["corosync".into(), "pacemaker".into()];
        assert!(shell(&one).ends_with("--reinstall corosync pacemaker"));
        let mut one = act(ActWord::Cleanup);
        assert!(shell(&one).starts_with("crm_resource --cleanup && "));
        one.resources = vec!["vip-ip".into(), "fence-beta".into()];
        assert_eq!(
            shell(&one),
            "crm_resource --cleanup --force --resource vip-ip && \
             crm_resource --cleanup --force --resource fence-beta && \
             stonith_admin --cleanup --history=beta"
        );
        assert_eq!(act(ActWord::Join).shell("vip"), None);
    }

    #[test]
    fn an_answer_is_one_word_of_the_shell() {
        let mut one = act(ActWord::Reconfigure);
        one.answers.insert("vip".into(), "1'; reboot".into());
        let shell = one.shell("vip").unwrap();
        assert!(
            shell.contains(r"'ubuntu-ha-vip ubuntu-ha-vip/vip string 1'\''; reboot'"),
            "{shell}"
        );
    }

    #[test]
    fn every_word_is_written_as_serde_reads_it() {
        for word in ["shut-down", "maintain-end", "install", "move"] {
            let read: ActWord = serde_json::from_value(word.into()).unwrap();
            assert_eq!(read.text(), word);
        }
    }
}
