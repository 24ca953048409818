//! Source packages and uploads, beside what dpkg-dev makes of the same tree.

mod common;

use std::fs;
use std::path::Path;

use common::{CHANGELOG, MTIME, paragraph, put_tree, run};
use debcrate::{
    BuildEnvironment, Entry, Paragraph, SourceFiles, Tree, Upload, read_buildinfo, read_changes,
    read_dsc, read_source_tar, source_buildinfo, source_changes, write_source,
};

const MAINTAINER: &str = "Ubuntu HA packagers <ha@example.org>";
const VERSION: &str = "1.0~ubuntu24.04.1";
const CONTROL: &str = "\
Source: hello
Section: metapackages
Priority: optional
Maintainer: Ubuntu HA packagers <ha@example.org>
Build-Depends: debhelper-compat (= 13), po-debconf
Standards-Version: 4.6.2
Rules-Requires-Root: no
Homepage: https://example.org/hello
Testsuite: autopkgtest

Package: hello
Architecture: all
Description: greets the world
 It does so once.

Package: hello-bin
Architecture: any
Section: admin
Description: greets the world by a program
 It does so once.
";

fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut file = |path: &str, text: &str, mode| tree.file(path, text.as_bytes(), mode).unwrap();
    file("debian/changelog", CHANGELOG, 0o644);
    file("debian/control", CONTROL, 0o644);
    file("debian/rules", "#!/usr/bin/make -f\n%:\n\tdh $@\n", 0o755);
    file("debian/source/format", "3.0 (native)\n", 0o644);
    file(
        "debian/tests/control",
        "Tests: smoke\nDepends: @, python3\n",
        0o644,
    );
    file(
        &format!("src/{}/main.c", "long".repeat(30)),
        "int main;\n",
        0o644,
    );
    tree.symlink("README", "src").unwrap();
    tree
}

fn dsc_fields() -> Paragraph {
    paragraph(&[
        ("Binary", "hello, hello-bin"),
        ("Architecture", "any all"),
        ("Maintainer", MAINTAINER),
        ("Homepage", "https://example.org/hello"),
        ("Standards-Version", "4.6.2"),
        ("Build-Depends", "debhelper-compat (= 13), po-debconf"),
        ("Testsuite", "autopkgtest"),
        ("Testsuite-Triggers", "python3"),
        (
            "Package-List",
            "\nhello deb metapackages optional arch=all\nhello-bin deb admin optional arch=any",
        ),
    ])
}

fn source() -> SourceFiles {
    write_source(&dsc_fields(), "hello", VERSION, &tree(), MTIME).unwrap()
}

fn upload() -> Upload<'static> {
    Upload {
        source: "hello",
        version: VERSION,
        timestamp: MTIME,
        distribution: "noble",
        urgency: "medium",
        maintainer: MAINTAINER,
        changed_by: MAINTAINER,
        closes: &[7, 123],
        extra: &[],
        changes: CHANGELOG.split("\n\n --").next().unwrap(),
        section: "metapackages",
        priority: "optional",
    }
}

const BUILD: BuildEnvironment = BuildEnvironment {
    origin: "Ubuntu",
    architecture: "amd64",
    timestamp: MTIME,
    installed_build_depends: &[("bash", "5.2.21-2ubuntu4"), ("tar", "1:1.35+dfsg-3")],
    environment: &[("LANG", "C.UTF-8")],
};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn put(directory: &Path, (name, data): &(String, Vec<u8>)) {
    fs::write(directory.join(name), data).unwrap();
}

/// Names of the fields, and the values of those that hold no checksums.
fn comparable(text: &str) -> Vec<(String, String)> {
    let paragraphs = debcrate::parse_paragraphs(text).unwrap();
    // Ubuntu's dpkg has a profile by default, and notes it.
    let fields = paragraphs[0].iter();
    fields
        .filter(|(name, _)| *name != "Built-For-Profiles")
        .map(|(name, value)| match name {
            "Files" | "Checksums-Md5" | "Checksums-Sha1" | "Checksums-Sha256" => {
                (name.to_owned(), String::new())
            }
            _ => (name.to_owned(), value.to_owned()),
        })
        .collect()
}

/// Lets dpkg-dev build the source package of the same tree.
fn dpkg_build(directory: &Path) {
    put_tree(&directory.join("hello-1.0"), &tree());
    run(directory, "dpkg-source", &["-b", "hello-1.0"]);
    let inside = directory.join("hello-1.0");
    run(&inside, "dpkg-genbuildinfo", &["--build=source"]);
    let changes = format!("-O../hello_{VERSION}_source.changes");
    run(&inside, "dpkg-genchanges", &["-S", &changes]);
}

#[test]
fn our_readers_give_back_what_was_written() {
    let source = source();
    assert_eq!(source, self::source(), "written twice");
    assert_eq!(source.dsc.0, "hello_1.0~ubuntu24.04.1.dsc");
    let (dsc, files) = read_dsc(text(&source.dsc.1)).unwrap();
    assert_eq!(dsc.get("Format"), Some("3.0 (native)"));
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].name, source.tar.0);
    assert!(files[0].matches(&source.tar.1));
    assert!(!files[0].matches(b""));
    let (top, read) = read_source_tar(&source.tar.0, &source.tar.1, 1 << 20).unwrap();
    assert_eq!(top, "hello-1.0~ubuntu24.04.1");
    assert_eq!(read, tree());
}

#[test]
fn dpkg_source_unpacks_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let source = source();
    put(path, &source.dsc);
    put(path, &source.tar);
    run(
        path,
        "dpkg-source",
        &["--require-strong-checksums", "-x", &source.dsc.0, "out"],
    );
    for (name, entry) in tree().iter() {
        let file = path.join("out").join(name);
        match entry {
            Entry::Dir { .. } => assert!(file.is_dir(), "{name}"),
            Entry::File { data, .. } => assert_eq!(fs::read(&file).unwrap(), **data, "{name}"),
            Entry::Symlink { target } => {
                assert_eq!(
                    fs::read_link(&file).unwrap().to_str(),
                    Some(target.as_str())
                );
            }
        }
    }
}

#[test]
fn fields_equal_those_of_dpkg() {
    let directory = tempfile::tempdir().unwrap();
    dpkg_build(directory.path());
    let theirs = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let source = source();
    assert_eq!(
        comparable(text(&source.dsc.1)),
        comparable(&theirs(&source.dsc.0))
    );

    let buildinfo = source_buildinfo("hello", VERSION, &source.dsc, &BUILD).unwrap();
    let names = |text: &str| -> Vec<String> {
        let fields = comparable(text).into_iter().map(|(name, _)| name);
        // These depend on the machine.
        fields
            .filter(|name| !matches!(name.as_str(), "Build-Path" | "Build-Tainted-By"))
            .collect()
    };
    assert_eq!(names(text(&buildinfo.1)), names(&theirs(&buildinfo.0)));

    let changes = source_changes(&upload(), &source, Some(&buildinfo)).unwrap();
    let expected = theirs(&changes.0);
    assert_eq!(comparable(text(&changes.1)), comparable(&expected));
    let columns = |text: &str| -> Vec<_> {
        let (_, files) = read_changes(text).unwrap();
        files
            .into_iter()
            .map(|file| (file.name, file.section))
            .collect()
    };
    assert_eq!(columns(text(&changes.1)), columns(&expected));
}

#[test]
fn an_upload_lists_its_files() {
    let source = source();
    let buildinfo = source_buildinfo("hello", VERSION, &source.dsc, &BUILD).unwrap();
    let (_, changes) = source_changes(&upload(), &source, Some(&buildinfo)).unwrap();
    let (fields, files) = read_changes(text(&changes)).unwrap();
    assert_eq!(fields.get("Closes"), Some("7 123"));
    for (file, (name, data)) in files.iter().zip([&source.dsc, &source.tar, &buildinfo]) {
        assert_eq!(&file.name, name);
        assert!(file.matches(data), "{name}");
    }
    let info = read_buildinfo(text(&buildinfo.1)).unwrap();
    assert_eq!(
        info.get("Installed-Build-Depends"),
        Some("\nbash (= 5.2.21-2ubuntu4),\ntar (= 1:1.35+dfsg-3)")
    );
    assert_eq!(info.get("Environment"), Some("\nLANG=\"C.UTF-8\""));
}

#[test]
fn a_signed_dsc_is_read_and_a_cut_one_refused() {
    let source = source();
    let dsc = text(&source.dsc.1);
    let signed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{dsc}\n\
         -----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
    );
    assert_eq!(read_dsc(&signed).unwrap(), read_dsc(dsc).unwrap());
    let cut = signed.split("-----BEGIN PGP SIGNATURE").next().unwrap();
    assert!(read_dsc(cut).is_err());
}

#[test]
fn what_an_archive_would_reject_is_not_written() {
    let write = |name, version| write_source(&dsc_fields(), name, version, &tree(), MTIME);
    for (name, version, expected) in [
        ("Hello", "1.0", "is no package name"),
        ("hello", "1.0-1", "has no '-'"),
        ("hello", "v1", "is no version"),
        ("hello", "1.0/2", "is no version"),
    ] {
        let error = write(name, version).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut bare = dsc_fields();
    bare.remove("Maintainer");
    assert!(write_source(&bare, "hello", "1.0", &tree(), MTIME).is_err());
    let two = Upload {
        distribution: "noble resolute",
        ..upload()
    };
    assert!(source_changes(&two, &source(), None).is_err());
    let twice = Upload {
        extra: &[("date", "never")],
        ..upload()
    };
    assert!(source_changes(&twice, &source(), None).is_err());
}

#[test]
fn an_epoch_stays_out_of_file_names() {
    let source = write_source(&dsc_fields(), "hello", "1:2.0", &tree(), MTIME).unwrap();
    assert_eq!(source.tar.0, "hello_2.0.tar.xz");
    let (dsc, _) = read_dsc(text(&source.dsc.1)).unwrap();
    assert_eq!(dsc.get("Version"), Some("1:2.0"));
}
