//! What the chroot tests share: a signed repository of what is to be tested,
//! one of an older version, the recipes and their answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hapkg::build::answers;
use hapkg::recipe::answer::{Answer, validate};
use hapkg::recipe::model::{Question, Recipe};
use hapkg::recipe::{Context, load};

use crate::host::{self, fresh_dir, say, show};
use crate::stop::{During, Stop};

/// The roles that are installed, asked and purged in every suite.
pub const ROLES: [&str; 5] = ["clc", "vip", "drbd", "clvm", "advanced"];

/// The version of the older repository; below that of every recipe.
pub const OLD_VERSION: &str = "0.9";

/// Read-only state of a test run.
pub struct World {
    /// `dist/` layout: signed, with sources.
    pub new: PathBuf,
    /// The same roles, as [`OLD_VERSION`].
    pub old: PathBuf,
    /// The keyring that verifies both.
    pub keyring: PathBuf,
    /// The hapkg that made them.
    pub hapkg: PathBuf,
    /// Scratch space of this run.
    pub scratch: PathBuf,
    /// The recipe of ubuntu-ha-node.
    pub node: Recipe,
    /// By role.
    pub roles: BTreeMap<String, Role>,
}

/// A role under test.
pub struct Role {
    pub recipe: Recipe,
    /// The example answers to the cluster-wide questions.
    pub cluster: BTreeMap<String, String>,
    /// The example answers to the role's own.
    pub own: BTreeMap<String, String>,
}

impl Role {
    /// Question and answer of everything `ubuntu-ha configure` would store.
    ///
    /// # Errors
    /// `Failed`: the example answers are no answers.
    pub fn expected(&self, questions: &[Question]) -> Result<BTreeMap<String, Answer>, Stop> {
        let given = if questions == self.recipe.question {
            &self.own
        } else {
            &self.cluster
        };
        validate(questions, given).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Stop::failed(format!(
                "the example answers of {} are not valid: {}",
                self.recipe.role.name,
                lines.join("; ")
            ))
        })
    }
}

/// Builds hapkg and both repositories, unless those of the last run are to be
/// used again.
///
/// # Errors
/// `Failed`: hapkg does not build, or refuses to.
pub fn prepare(reuse: bool) -> Result<World, Stop> {
    let root = host::root();
    let scratch = root.join("target/xtask");
    fs::create_dir_all(&scratch).during(format_args!("making {}", scratch.display()))?;
    let hapkg = release_hapkg()?;

    let keyring = scratch.join("test-keyring.gpg");
    let (new, old) = (scratch.join("new"), scratch.join("old"));
    if !reuse || !new.join("apt").is_dir() || !old.join("apt").is_dir() {
        repositories(&hapkg, &scratch, &keyring)?;
    }

    let recipes = root.join("recipes");
    let node = recipe(&recipes.join("support/node.toml"), Context::default())?;
    let mut roles = BTreeMap::new();
    for name in ROLES {
        let context = Context { node: Some(&node) };
        let answers = answers(&recipes.join(format!("answers/{name}.toml")))?;
        let role = Role {
            recipe: recipe(&recipes.join(format!("{name}.toml")), context)?,
            cluster: answers.cluster,
            own: answers.role,
        };
        roles.insert(name.to_owned(), role);
    }
    Ok(World {
        new,
        old,
        keyring,
        hapkg,
        scratch,
        node,
        roles,
    })
}

/// `new/` and `old/` in `scratch`, signed with a key made on the spot.
fn repositories(hapkg: &Path, scratch: &Path, keyring: &Path) -> Result<(), Stop> {
    let root = host::root();
    say("making a signing key");
    let gnupg = scratch.join("gnupg");
    let key = signing_key(&gnupg, keyring)?;
    for (name, recipes) in [
        ("new", root.join("recipes")),
        ("old", old_recipes(scratch)?),
    ] {
        let dist = scratch.join(name);
        say(&format!("hapkg build into {}", dist.display()));
        fresh_dir(&dist)?;
        let mut build = Command::new(hapkg);
        build
            .current_dir(&root)
            .env("GNUPGHOME", &gnupg)
            .args(["build", "--source", "--sign", &key])
            .arg("--recipes")
            .arg(&recipes)
            .arg("--out")
            .arg(&dist)
            .stdout(Stdio::null());
        show(&mut build)?;
    }
    // The agent that gpg started serves this key alone.
    let mut end = Command::new("gpgconf");
    host::read(end.env("GNUPGHOME", &gnupg).args(["--kill", "gpg-agent"])).map(|_| ())
}

/// Builds the release hapkg; its path.
///
/// # Errors
/// `Failed`: it does not compile.
pub fn release_hapkg() -> Result<PathBuf, Stop> {
    say("cargo build --release --bin hapkg");
    show(host::cargo().args(["build", "--quiet", "--release", "--bin", "hapkg"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| host::root().join("target"), |dir| host::root().join(dir));
    Ok(target.join("release/hapkg"))
}

/// A key made on the spot, without passphrase; its fingerprint.
fn signing_key(gnupg: &Path, keyring: &Path) -> Result<String, Stop> {
    use std::os::unix::fs::PermissionsExt;
    fresh_dir(gnupg)?;
    fs::set_permissions(gnupg, fs::Permissions::from_mode(0o700)).during("closing GNUPGHOME")?;
    let gpg = |words: &[&str]| {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", gnupg).args(["--batch", "--quiet"]);
        command.args(words);
        command
    };
    let identity = "Test repository <test@example.org>";
    host::read(&mut gpg(&[
        "--passphrase",
        "",
        "--quick-generate-key",
        identity,
        "rsa2048",
        "sign",
        "never",
    ]))?;
    let listing = host::read(&mut gpg(&["--with-colons", "--list-keys"]))?;
    let key = fingerprint(&listing)
        .ok_or_else(|| Stop::environment("gpg made a key without fingerprint"))?;
    let public = host::output(&mut gpg(&["--export", &key]))?;
    host::write(keyring, public.stdout)?;
    Ok(key)
}

/// The first fingerprint of `gpg --with-colons`.
fn fingerprint(listing: &str) -> Option<String> {
    listing
        .lines()
        .find_map(|line| line.strip_prefix("fpr:"))
        .and_then(|rest| rest.split(':').find(|field| !field.is_empty()))
        .map(str::to_owned)
}

/// A copy of the recipes with [`OLD_VERSION`] for their own.
fn old_recipes(scratch: &Path) -> Result<PathBuf, Stop> {
    let to = scratch.join("old-recipes");
    fresh_dir(&to)?;
    copy(&host::root().join("recipes"), &to)?;
    for file in host::files_below(&to)? {
        let what = format!("copying {}", file.display());
        let recipe = !file.starts_with("answers")
            && file
                .extension()
                .is_some_and(|extension| extension == "toml");
        if recipe {
            let target = to.join(&file);
            let text = fs::read_to_string(&target).during(&what)?;
            fs::write(&target, older(&text)).during(&what)?;
        }
    }
    Ok(to)
}

/// Copies a directory with all that is below it.
///
/// # Errors
/// `Environment`: the disk refused.
pub fn copy(from: &Path, to: &Path) -> Result<(), Stop> {
    for file in host::files_below(from)? {
        let what = format!("copying {}", file.display());
        let target = to.join(&file);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).during(&what)?;
        }
        fs::copy(from.join(&file), &target).during(&what)?;
    }
    Ok(())
}

/// The recipe with its newest version, in head and changelog, made older.
fn older(text: &str) -> String {
    let Some(version) = text
        .lines()
        .find(|line| line.starts_with("version = "))
        .map(str::to_owned)
    else {
        return text.to_owned();
    };
    let old = format!("version = \"{OLD_VERSION}\"");
    text.lines().fold(String::new(), |all, line| {
        all + if line == version { &old } else { line } + "\n"
    })
}

fn recipe(path: &Path, context: Context) -> Result<Recipe, Stop> {
    load(path, &context).map_err(|problems| Stop::failed(problems.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{fingerprint, older};

    #[test]
    fn an_older_recipe_differs_in_its_version_alone() {
        let text = "[role]\nname = \"x\"\nversion = \"1.0\"\n\n[[changelog]]\nversion = \"1.0\"\n\n[[changelog]]\nversion = \"0.5\"\n";
        assert_eq!(
            older(text),
            "[role]\nname = \"x\"\nversion = \"0.9\"\n\n[[changelog]]\nversion = \"0.9\"\n\n[[changelog]]\nversion = \"0.5\"\n"
        );
    }

    #[test]
    fn fingerprints_are_found() {
        let listing = "tru::1:\npub:u:2048:1:ABC:1::::::\nfpr:::::::::0123ABC:\nuid:u::::\n";
        assert_eq!(fingerprint(listing), Some("0123ABC".into()));
        assert_eq!(fingerprint("pub:u:\n"), None);
    }
}
