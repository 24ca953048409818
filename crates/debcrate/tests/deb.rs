//! Binary packages, reopened by dpkg-deb and by our own reader.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use std::path::Path;

use common::{ALL, MTIME, deb, put_tree, run, sample};
use debcrate::{
    Attributes, Compression, DataMember, Entry, Error, ReadDeb, compress_data, read_control,
    read_deb, read_deb_within, write_deb, write_deb_with,
};

#[test]
fn our_reader_gives_back_what_was_written() {
    let package = sample();
    for compression in ALL {
        let bytes = deb(&package, compression);
        assert_eq!(bytes, deb(&package, compression), "written twice");
        let mut read = read_deb(&bytes).unwrap();
        assert_eq!(read.data, package.data);
        assert_eq!(read.control_files, package.control_files);
        assert_eq!(deb(&read, compression), bytes, "written again");
        read.control.remove("Installed-Size").unwrap();
        let mut expected = package.control.clone();
        expected.sort_by(debcrate::CONTROL_FIELDS);
        assert_eq!(read.control, expected);
    }
}

#[test]
fn members_and_entries_have_the_form_that_dpkg_writes() {
    let read = read_deb_within(&deb(&sample(), Compression::Zstd), 1 << 20).unwrap();
    assert_eq!(
        read.members,
        ["debian-binary", "control.tar.zst", "data.tar.zst"]
    );
    let names: Vec<_> = read.data_entries.iter().map(|entry| &entry.name).collect();
    assert_eq!(names[..3], ["./", "./etc/", "./etc/hello.conf"]);
    for entry in read.control_entries.iter().chain(&read.data_entries) {
        assert_eq!(entry.mtime, MTIME, "{entry:?}");
        assert_eq!((entry.uid, entry.gid), (0, 0));
        assert_eq!(
            (entry.user.as_str(), entry.group.as_str()),
            ("root", "root")
        );
    }
}

#[test]
fn dpkg_deb_reads_every_compression() {
    let package = sample();
    for compression in ALL {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("a.deb"), deb(&package, compression)).unwrap();
        let info = run(path, "dpkg-deb", &["--info", "a.deb"]);
        assert!(info.contains("Package: hello\n"), "{info}");
        let contents = run(path, "dpkg-deb", &["--contents", "a.deb"]);
        assert!(contents.contains("root/root"), "{contents}");
        run(path, "dpkg-deb", &["-R", "a.deb", "x"]);
        for (name, entry) in package.data.iter() {
            let file = path.join("x").join(name);
            let metadata = fs::symlink_metadata(&file).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            match entry {
                Entry::Dir { mode: expected } => assert_eq!(mode, *expected, "{name}"),
                Entry::File {
                    data,
                    mode: expected,
                } => {
                    assert_eq!(mode, *expected, "{name}");
                    assert_eq!(fs::read(&file).unwrap(), **data, "{name}");
                }
                Entry::Symlink { target } => {
                    assert_eq!(
                        fs::read_link(&file).unwrap().to_str(),
                        Some(target.as_str())
                    );
                }
            }
        }
    }
}

/// Lets debhelper and dpkg-deb build the package of the same files.
fn debhelper(directory: &Path, package: &debcrate::BinaryPackage) -> ReadDeb {
    let debian = directory.join("debian");
    put_tree(&debian.join("hello"), &package.data);
    let control = debian.join("hello/DEBIAN");
    fs::create_dir(&control).unwrap();
    fs::set_permissions(&control, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, (content, mode)) in &package.control_files {
        fs::write(control.join(name), content).unwrap();
        fs::set_permissions(control.join(name), fs::Permissions::from_mode(*mode)).unwrap();
    }
    let field = |name| package.control.get(name).unwrap();
    let description = common::paragraph(&[("Description", field("Description"))]);
    let text = format!(
        "Source: hello\nSection: {}\nPriority: {}\nMaintainer: {}\n\n\
         Package: hello\nArchitecture: all\nDepends: {}\n{description}",
        field("Section"),
        field("Priority"),
        field("Maintainer"),
        field("Depends"),
    );
    fs::write(debian.join("control"), text).unwrap();
    fs::write(debian.join("changelog"), common::CHANGELOG).unwrap();
    fs::write(debian.join("compat"), "13\n").unwrap();
    run(directory, "dh_gencontrol", &[]);
    run(directory, "dh_md5sums", &[]);
    let build = [
        "--root-owner-group",
        "-Zxz",
        "-b",
        "debian/hello",
        "hello.deb",
    ];
    run(directory, "dpkg-deb", &build);
    let archive = fs::read(directory.join("hello.deb")).unwrap();
    read_deb_within(&archive, 1 << 20).unwrap()
}

fn sorted(entries: &[Attributes]) -> Vec<Attributes> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        entry.mtime = MTIME;
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

#[test]
fn the_package_equals_that_of_debhelper() {
    let mut package = sample();
    for size in [0, 1, 1023, 1024, 1025, 5000] {
        let path = format!("usr/share/hello/{size}");
        package.data.file(&path, vec![b'y'; size], 0o644).unwrap();
        let file = (vec![b'#'; size], 0o755);
        package.control_files.insert(format!("prerm{size}"), file);
    }
    let directory = tempfile::tempdir().unwrap();
    let theirs = debhelper(directory.path(), &package);
    let ours = read_deb_within(&deb(&package, Compression::Xz), 1 << 20).unwrap();
    assert_eq!(
        ours.package.control.to_string(),
        theirs.package.control.to_string()
    );
    assert_eq!(ours.package.control_files, theirs.package.control_files);
    assert_eq!(ours.package.data, theirs.package.data);
    assert_eq!(ours.members, theirs.members);
    assert_eq!(sorted(&ours.data_entries), sorted(&theirs.data_entries));
    assert_eq!(
        sorted(&ours.control_entries),
        sorted(&theirs.control_entries)
    );
}

#[test]
fn a_kept_data_member_gives_the_same_package() {
    let package = sample();
    for compression in ALL {
        let data = compress_data(&package.data, MTIME, compression).unwrap();
        let kept = DataMember::from_cache(&data.to_cache()).unwrap();
        assert_eq!(kept, data);
        let mut bytes = Vec::new();
        write_deb_with(&mut bytes, &package.control, &package.control_files, &kept).unwrap();
        assert_eq!(bytes, deb(&package, compression));
    }
    let cache = compress_data(&package.data, MTIME, Compression::Xz)
        .unwrap()
        .to_cache();
    for end in [0, 10, 40, 120] {
        assert!(DataMember::from_cache(&cache[..end]).is_err(), "{end}");
    }
}

#[test]
fn the_control_fields_can_be_read_alone() {
    let bytes = deb(&sample(), Compression::Xz);
    let control = read_control(&bytes).unwrap();
    assert_eq!(control, read_deb(&bytes).unwrap().control);
}

#[test]
fn a_small_file_that_unpacks_to_much_is_refused() {
    let mut package = sample();
    package
        .data
        .file("usr/share/hello/zeros", vec![0; 4 << 20], 0o644)
        .unwrap();
    for compression in [Compression::Xz, Compression::Gzip, Compression::Zstd] {
        let bytes = deb(&package, compression);
        assert!(bytes.len() < 100_000);
        let error = read_deb_within(&bytes, 1 << 20).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
}

#[test]
fn packages_that_dpkg_would_refuse_are_not_written() {
    type Change = fn(&mut debcrate::BinaryPackage);
    let changes: [(&str, Change); 6] = [
        ("\"Version\": is missing", |package| {
            package.control.remove("Version");
        }),
        ("is no package name", |package| {
            package.control.set("Package", "Hello").unwrap();
        }),
        ("is no version", |package| {
            package.control.set("Version", "one").unwrap();
        }),
        ("is no control file", |package| {
            let file = (Vec::new(), 0o644);
            package.control_files.insert("md5sums".into(), file);
        }),
        ("is no control file", |package| {
            let file = (Vec::new(), 0o644);
            package.control_files.insert("a/b".into(), file);
        }),
        ("'..'", |package| {
            let file = (Vec::new(), 0o644);
            package.control_files.insert("..".into(), file);
        }),
    ];
    for (expected, change) in changes {
        let mut package = sample();
        change(&mut package);
        let error = write_deb(Vec::new(), &package, MTIME, Compression::Xz).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let late = write_deb(Vec::new(), &sample(), 1 << 40, Compression::Xz);
    assert!(late.unwrap_err().to_string().contains("seconds since 1970"));
}
