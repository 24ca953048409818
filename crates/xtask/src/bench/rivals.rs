//! The same package by other tools: same fields, same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Row, median};
use crate::host::{files_below, fresh_dir, read, root, say, show, write};
use crate::stop::{During, Stop};

const CARGO_DEB: &str = "^3";

fn row(what: &str, runs: usize, mut command: impl FnMut() -> Command) -> Result<Row, Stop> {
    say(&format!("measuring {what}"));
    Ok(Row {
        what: what.into(),
        median: median(runs, || read(&mut command()).map(|_| ()))?,
    })
}

/// Unpacks the package; the directory.
fn unpack(deb: &Path, scratch: &Path, name: &str) -> Result<PathBuf, Stop> {
    let dir = scratch.join(name);
    fresh_dir(&dir)?;
    read(Command::new("dpkg-deb").arg("-R").args([deb, &dir]))?;
    Ok(dir)
}

/// `dpkg-deb -b` of the finished tree.
pub fn dpkg_deb(deb: &Path, scratch: &Path) -> Result<Row, Stop> {
    let dir = unpack(deb, scratch, "dpkg-deb")?;
    let out = scratch.join("dpkg-deb.deb");
    row("dpkg-deb -b, of the finished tree", 51, || {
        let mut command = Command::new("dpkg-deb");
        command.args(["-Zxz", "--root-owner-group", "-b"]);
        command.args([&dir, &out]);
        command
    })
}

/// equivs-build, from a control file that names all files and scripts.
pub fn equivs(deb: &Path, scratch: &Path) -> Result<Row, Stop> {
    let tree = unpack(deb, scratch, "equivs")?;
    let mut control =
        String::from("Section: metapackages\nPriority: optional\nStandards-Version: 4.6.2\n\n");
    let text = read(Command::new("dpkg-deb").arg("-f").arg(deb))?;
    for line in text
        .lines()
        .filter(|line| !line.starts_with("Installed-Size"))
    {
        if !line.starts_with("Section") && !line.starts_with("Priority") {
            control.push_str(line);
            control.push('\n');
        }
    }
    let mut files = String::from("Files:");
    for file in files_below(&tree)? {
        let name = file.to_string_lossy();
        let own =
            name.starts_with("DEBIAN/") || name.contains("/changelog.gz") || name.contains("/man/");
        if !own {
            let dir = file.parent().map(Path::display);
            files.push_str(&format!(
                " {} /{}\n",
                tree.join(&file).display(),
                dir.map(|dir| dir.to_string()).unwrap_or_default()
            ));
        }
    }
    let place = control.find("\nDescription:").unwrap_or(control.len());
    control.insert_str(place, &format!("\n{}", files.trim_end()));
    for script in ["Postinst", "Prerm", "Postrm"] {
        let path = tree.join("DEBIAN").join(script.to_lowercase());
        if path.is_file() {
            control.insert_str(place, &format!("\n{script}: {}", path.display()));
        }
    }
    let dir = scratch.join("equivs-out");
    fresh_dir(&dir)?;
    write(&dir.join("package.ctl"), &control)?;
    row("equivs-build, of the finished files", 5, || {
        let mut command = Command::new("equivs-build");
        command.arg("package.ctl").current_dir(&dir);
        command
    })
}

/// cargo-deb, with the finished files as assets.
pub fn cargo_deb(deb: &Path, scratch: &Path) -> Result<Row, Stop> {
    let tools = root().join("target/xtask/tools");
    let program = tools.join("bin/cargo-deb");
    if !program.is_file() {
        say("installing cargo-deb");
        let mut install = crate::host::cargo();
        install
            .args([
                "install",
                "--quiet",
                "--locked",
                "cargo-deb",
                "--version",
                CARGO_DEB,
            ])
            .arg("--root")
            .arg(&tools);
        show(&mut install).map_err(|stop| Stop::environment(format!("no cargo-deb: {stop}")))?;
    }
    let dir = scratch.join("cargo-deb");
    fresh_dir(&dir)?;
    let tree = unpack(deb, scratch, "cargo-deb/tree")?;
    let mut assets = String::new();
    for file in files_below(&tree)? {
        let name = file.to_string_lossy();
        if name.starts_with("DEBIAN/")
            || name.ends_with("/copyright")
            || name.contains("/changelog")
        {
            continue;
        }
        assets.push_str(&format!("    [\"tree/{name}\", \"/{name}\", \"644\"],\n"));
    }
    let field = |name: &str| read(Command::new("dpkg-deb").arg("-f").arg(deb).arg(name));
    let depends = field("Depends")?;
    let manifest = format!(
        "[package]\nname = \"ubuntu-ha-measured\"\nversion = \"1.0.0\"\nedition = \"2021\"\ndescription = \"measured\"\nlicense = \"MIT\"\n\n[workspace]\n\n[package.metadata.deb]\nmaintainer = \"A <a@example.org>\"\ndepends = {:?}\nsection = \"metapackages\"\nmaintainer-scripts = \"tree/DEBIAN\"\nassets = [\n{assets}]\n",
        depends.trim().replace('\n', " ")
    );
    write(&dir.join("Cargo.toml"), &manifest)?;
    write(&dir.join("src/main.rs"), "fn main() {}\n")?;
    fs::create_dir_all(dir.join("target/release")).during("making a target directory")?;
    fs::write(dir.join("target/release/ubuntu-ha-measured"), "").during("making a program")?;
    read(
        crate::host::cargo()
            .args(["generate-lockfile", "--offline"])
            .current_dir(&dir),
    )?;
    row("cargo-deb --no-build, of the finished files", 11, || {
        let mut command = Command::new(&program);
        command
            .args(["--no-build", "--no-strip", "--quiet"])
            .current_dir(&dir)
            .env("CARGO_TARGET_DIR", dir.join("target"));
        command
    })
}
