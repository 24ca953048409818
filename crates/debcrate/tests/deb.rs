//! Binary packages, reopened by dpkg-deb and by our own reader.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::{ALL, MTIME, deb, run, sample};
use debcrate::{Compression, Entry, read_deb, read_deb_within};

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
