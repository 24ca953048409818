//! The files a package installs, before dh has touched them.

use std::collections::BTreeMap;

use crate::recipe::compiled::CompiledRole;
use crate::recipe::model::{FileSpec, Kind, QuestionType, Recipe};
use crate::recipe::view::package_name;

use super::debconf::SETUP_UNIT;
use super::facts::{InstallLine, ShownFile};
use super::{Error, Inputs, installer, sample, tasks, templates};

/// Directory of the source package that mirrors the installed system.
const MIRROR: &str = "files";
const AGENTS: &str = "usr/lib/ocf/resource.d/";
const UNITS: &str = "usr/lib/systemd/system";
const SETUP_SERVICE: &str = include_str!("../../debian-templates/ubuntu-ha-setup.service");
const INSTALLER: &str = "usr/share/ubuntu-ha/installer";

/// Where the shells look for the completions of the node program's source.
pub const COMPLETIONS: [(&str, &str); 3] = [
    (
        "completions/ubuntu-ha.bash",
        "usr/share/bash-completion/completions/ubuntu-ha",
    ),
    (
        "completions/_ubuntu-ha",
        "usr/share/zsh/vendor-completions/_ubuntu-ha",
    ),
    (
        "completions/ubuntu-ha.fish",
        "usr/share/fish/vendor_completions.d/ubuntu-ha.fish",
    ),
];

/// A file on its way from the source tree into the package.
#[derive(Debug)]
pub struct File {
    /// Where it lies in the source tree.
    pub source: String,
    /// Installed path, without the leading slash.
    pub path: String,
    pub mode: u32,
    /// None for what only a build makes.
    pub data: Option<Vec<u8>>,
}

/// All of them, sorted by installed path.
#[derive(Debug, Default)]
pub struct Payload {
    pub files: Vec<File>,
    /// Absolute path of the compiled role.
    pub compiled: Option<String>,
}

impl Payload {
    /// Collects the files of a recipe.
    ///
    /// # Errors
    /// A `[[file]]` without its text, or with a path or mode that is none;
    /// a task description that tasksel would misread.
    pub fn new(inputs: &Inputs) -> Result<Payload, Error> {
        let recipe = inputs.recipe;
        let mut payload = Payload::default();
        match recipe.role.kind {
            Kind::Role => payload.compiled(
                recipe,
                format!("usr/share/ubuntu-ha/roles/{}.toml", recipe.role.name),
            ),
            Kind::Node => {
                payload.compiled(recipe, "usr/share/ubuntu-ha/node.toml".into());
                payload.mirrored(
                    format!("{UNITS}/{SETUP_UNIT}"),
                    0o644,
                    SETUP_SERVICE.as_bytes().to_vec(),
                );
                for (from, to) in COMPLETIONS {
                    if let Some(data) = inputs.node_tree.and_then(|tree| tree.data(from)) {
                        payload.mirrored(to.into(), 0o644, data.to_vec());
                    }
                }
                payload.files.push(File {
                    source: "target/release/ubuntu-ha".into(),
                    path: "usr/sbin/ubuntu-ha".into(),
                    mode: 0o755,
                    data: inputs.node_build.map(|build| build.binary.clone()),
                });
            }
            Kind::Tasks => payload.tasks(inputs.roles)?,
            Kind::Agents => {}
        }
        for file in &recipe.file {
            let data = content(file, inputs.sources)?;
            payload.mirrored(clean_path(&file.path)?, mode(file)?, data);
        }
        payload.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(payload)
    }

    fn mirrored(&mut self, path: String, mode: u32, data: Vec<u8>) {
        self.files.push(File {
            source: format!("{MIRROR}/{path}"),
            path,
            mode,
            data: Some(data),
        });
    }

    fn compiled(&mut self, recipe: &Recipe, path: String) {
        self.compiled = Some(format!("/{path}"));
        self.mirrored(
            path,
            0o644,
            CompiledRole::from(recipe).to_toml().into_bytes(),
        );
    }

    fn tasks(&mut self, roles: &[Recipe]) -> Result<(), Error> {
        let desc = tasks::desc(&tasks::tasks(roles))?;
        self.mirrored(
            "usr/share/tasksel/descs/ubuntu-ha.desc".into(),
            0o644,
            desc.into_bytes(),
        );
        self.mirrored(
            format!("{INSTALLER}/pre-pkgsel"),
            0o755,
            installer::hook()?.into_bytes(),
        );
        for role in roles.iter().filter(|recipe| recipe.role.kind == Kind::Role) {
            let answers = sample::answers(&role.question);
            let text = installer::preseed(role, &answers, None)?;
            let path = format!("{INSTALLER}/preseed-{}.cfg", role.role.name);
            self.mirrored(path, 0o644, text.into_bytes());
        }
        Ok(())
    }

    /// Lines of debian/install.
    pub fn install_lines(&self) -> Vec<InstallLine> {
        self.files
            .iter()
            .map(|file| InstallLine {
                from: file.source.clone(),
                to: parent(&file.path).to_owned(),
            })
            .collect()
    }

    /// dh would enable and start these.
    pub fn has_units(&self) -> bool {
        self.files.iter().any(|file| {
            let path = file.path.strip_prefix("usr/").unwrap_or(&file.path);
            path.starts_with("lib/systemd/") || path.starts_with("etc/systemd/")
        })
    }

    /// Absolute paths of the OCF agents.
    pub fn agents(&self) -> Vec<String> {
        self.files
            .iter()
            .filter(|file| file.path.starts_with(AGENTS) && file.mode & 0o111 != 0)
            .map(|file| format!("/{}", file.path))
            .collect()
    }

    /// What an administrator should know of, with the files made from answers.
    pub fn shown_files(&self, recipe: &Recipe) -> Vec<ShownFile> {
        let name = &recipe.role.name;
        let mut shown = Vec::new();
        let mut show = |path: String, what: String| shown.push(ShownFile { path, what });
        let secret = recipe
            .question
            .iter()
            .any(|q| q.kind == QuestionType::Password);
        let secrets = match recipe.role.kind {
            Kind::Node => "cluster",
            _ => name.as_str(),
        };
        if !recipe.question.is_empty() {
            show(
                super::debconf::answers_file(recipe),
                "The answers. It may be edited; what it says wins over debconf.".into(),
            );
        }
        if secret {
            show(
                format!("/etc/ubuntu-ha/secrets/{secrets}/"),
                "The passwords, readable by root only.".into(),
            );
        }
        if recipe.role.kind == Kind::Node {
            show(
                "/var/lib/ubuntu-ha/".into(),
                "What the program notes: the key of the cluster, and changes under way. It goes \
                 with a purge."
                    .into(),
            );
        }
        for file in &self.files {
            let path = format!("/{}", file.path);
            let what = if Some(&path) == self.compiled.as_ref() {
                match recipe.role.kind {
                    Kind::Node => {
                        "The questions common to all roles, as ubuntu-ha reads them.".into()
                    }
                    _ => {
                        "The role itself, as ubuntu-ha reads it: questions, resources, constraints."
                            .into()
                    }
                }
            } else if file.path.starts_with(AGENTS) && file.mode & 0o111 != 0 {
                format!("Resource agent {}.", templates::ocf(&path))
            } else if COMPLETIONS.iter().any(|(_, to)| *to == file.path) {
                "Completion of its options in the shell.".into()
            } else if file.path.strip_prefix(UNITS) == Some(&format!("/{SETUP_UNIT}")) {
                "Forms or joins the cluster, where that was answered.".into()
            } else if file.path == "usr/sbin/ubuntu-ha" {
                "The program itself.".into()
            } else if file.path.ends_with(".desc") {
                "The roles as tasksel reads them.".into()
            } else if file.path == format!("{INSTALLER}/pre-pkgsel") {
                "For /usr/lib/pre-pkgsel.d/ of the Debian installer's initrd: shows the roles in its menu.".into()
            } else if let Some(role) = file
                .path
                .strip_prefix(INSTALLER)
                .and_then(|rest| rest.strip_prefix("/preseed-")?.strip_suffix(".cfg"))
            {
                format!("Example of a preseed file for {}.", package_name(role))
            } else {
                "Part of the package.".into()
            };
            show(path, what);
        }
        shown
    }
}

/// The directory of a path; empty at the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn content(file: &FileSpec, sources: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, Error> {
    if let Some(content) = &file.content {
        return Ok(content.clone().into_bytes());
    }
    file.source
        .as_ref()
        .and_then(|name| sources.get(name))
        .cloned()
        .ok_or_else(|| Error::MissingSource(file.path.clone()))
}

/// The path without its leading slash. dh_install expands patterns and
/// splits at blanks, so only plain names pass.
fn clean_path(path: &str) -> Result<String, Error> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let sound = relative.contains('/')
        && relative
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
        && relative
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-+@:".contains(&b));
    if sound {
        return Ok(relative.to_owned());
    }
    Err(Error::Path(path.to_owned()))
}

fn mode(file: &FileSpec) -> Result<u32, Error> {
    u32::from_str_radix(&file.mode, 8)
        .ok()
        .filter(|mode| mode & !0o777 == 0)
        .ok_or_else(|| Error::Mode(file.path.clone(), file.mode.clone()))
}
