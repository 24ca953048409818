//! Indexes, read back by us and by apt.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{MTIME, deb, run, sample};
use debcrate::{
    Checksums, Compression, Paragraph, Release, by_hash_path, packages_file, packages_paragraph,
    read_control, read_packages, read_release, suite_files,
};

const POOL: &str = "pool/main/h/hello/hello_1.0~ubuntu24.04.1_all.deb";

fn suite() -> Release {
    Release {
        origin: "Example".to_owned(),
        label: "Example".to_owned(),
        suite: "noble".to_owned(),
        codename: "noble".to_owned(),
        timestamp: MTIME,
        architectures: vec!["all".to_owned(), "amd64".to_owned()],
        components: vec!["main".to_owned()],
        description: "Packages for the tests".to_owned(),
    }
}

fn entry(archive: &[u8]) -> Paragraph {
    let control = read_control(archive).unwrap();
    packages_paragraph(&control, POOL, &Checksums::of(archive)).unwrap()
}

fn packages(archive: &[u8]) -> BTreeMap<(String, String), Vec<Paragraph>> {
    let key = ("main".to_owned(), "all".to_owned());
    BTreeMap::from([(key, vec![entry(archive)])])
}

fn put(root: &Path, path: &str, data: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, data).unwrap();
}

#[test]
fn our_readers_give_back_what_was_written() {
    let archive = deb(&sample(), Compression::Xz);
    let files = suite_files(&suite(), &packages(&archive)).unwrap();
    assert_eq!(files, suite_files(&suite(), &packages(&archive)).unwrap());
    let release = read_release(std::str::from_utf8(&files["Release"]).unwrap()).unwrap();
    let fields: Vec<_> = release.paragraph.iter().map(|(name, _)| name).collect();
    assert_eq!(
        fields,
        [
            "Origin",
            "Label",
            "Suite",
            "Codename",
            "Date",
            "Acquire-By-Hash",
            "Architectures",
            "Components",
            "Description",
            "SHA256",
        ]
    );
    assert_eq!(
        release.paragraph.get("Date"),
        Some("Sun, 01 Nov 2026 12:00:00 UTC")
    );
    // Two architectures, each plain and compressed.
    assert_eq!(release.files.len(), 4);
    for (path, (size, sha256)) in &release.files {
        let checksums = Checksums::of(&files[path]);
        assert_eq!((checksums.size, &checksums.sha256), (*size, sha256));
        assert_eq!(files[&by_hash_path(path, &checksums)], files[path]);
    }
    let name = "main/binary-all/Packages.xz";
    let text = Compression::of_name(name)
        .decompress(name, &files[name], 1 << 20)
        .unwrap();
    assert_eq!(text, files["main/binary-all/Packages"]);
    let read = read_packages(std::str::from_utf8(&text).unwrap()).unwrap();
    assert_eq!(read, [entry(&archive)]);
}

#[test]
fn damaged_indexes_are_refused() {
    let archive = deb(&sample(), Compression::Xz);
    let good = packages_file([&entry(&archive)]);
    assert_eq!(read_packages(&good).unwrap().len(), 1);
    for (from, to) in [
        ("Filename: pool", "Filename: ../pool"),
        ("Filename: pool", "Filename: /pool"),
        ("SHA256: ", "SHA256: x"),
        ("Size: ", "Size: -"),
        ("Version: ", "X-Version: "),
    ] {
        let bad = good.replace(&format!("\n{from}"), &format!("\n{to}"));
        assert_ne!(bad, good);
        assert!(read_packages(&bad).is_err(), "{to}");
    }
    let wrong = BTreeMap::from([(("main".to_owned(), "riscv64".to_owned()), Vec::new())]);
    assert!(suite_files(&suite(), &wrong).is_err());
}

#[test]
fn apt_accepts_the_repository() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let archive = deb(&sample(), Compression::Xz);
    put(root, &format!("repository/{POOL}"), &archive);
    for (path, data) in suite_files(&suite(), &packages(&archive)).unwrap() {
        put(root, &format!("repository/dists/noble/{path}"), &data);
    }
    for path in ["state/lists/partial", "cache/archives/partial", "etc"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    let at = |path: &str| root.join(path).display().to_string();
    put(root, "state/status", b"");
    let source = format!("deb [trusted=yes] file:{} noble main\n", at("repository"));
    put(root, "sources.list", source.as_bytes());
    let settings = format!(
        "APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
         APT::Sandbox::User \"root\";\nAPT::Get::List-Cleanup \"false\";\n\
         Dir::Etc \"{}\";\nDir::Etc::sourcelist \"{}\";\nDir::State \"{}\";\n\
         Dir::State::status \"{}\";\nDir::Cache \"{}\";\nDir::Log \"{}\";\n",
        at("etc"),
        at("sources.list"),
        at("state"),
        at("state/status"),
        at("cache"),
        at("log"),
    );
    put(root, "apt.conf", settings.as_bytes());
    let config = format!("--config-file={}", at("apt.conf"));
    let update = run(root, "apt-get", &[&config, "update", "--error-on=any"]);
    assert!(update.contains("noble/main all Packages"), "{update}");
    let shown = run(root, "apt-cache", &[&config, "show", "hello"]);
    assert!(shown.contains(&format!("Filename: {POOL}\n")), "{shown}");
    run(root, "apt-get", &[&config, "download", "hello"]);
    let fetched = root.join("hello_1.0~ubuntu24.04.1_all.deb");
    assert!(fs::read(fetched).unwrap() == archive);
}
