//! Trees refuse what no package may hold.

use debcrate::{Entry, Tree};

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for (path, expected) in [
        ("/etc/passwd", "absolute"),
        ("", "empty"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("./a", "'.'"),
        ("a/../b", "'..'"),
        ("a\nb", "control character"),
    ] {
        let mut tree = Tree::new();
        let errors = [
            tree.file(path, *b"", 0o644),
            tree.dir(path, 0o755),
            tree.symlink(path, "x"),
        ];
        for error in errors {
            let error = error.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(tree.is_empty());
    }
}

#[test]
fn entries_do_not_hide_each_other() {
    let mut tree = Tree::new();
    tree.file("usr/a", *b"1", 0o644).unwrap();
    assert!(tree.file("usr/a", *b"1", 0o644).is_err(), "twice");
    assert!(tree.dir("usr/a", 0o755).is_err(), "a file is there");
    assert!(
        tree.file("usr", *b"", 0o644).is_err(),
        "a directory is there"
    );
    assert!(tree.file("usr/a/b", *b"", 0o644).is_err(), "below a file");
    tree.symlink("usr/l", "a").unwrap();
    assert!(tree.file("usr/l/b", *b"", 0o644).is_err(), "below a link");
    assert!(tree.symlink("usr/m", "").is_err(), "no target");
    assert!(tree.file("usr/b", *b"", 0o10644).is_err(), "mode");
}

#[test]
fn merging_keeps_both_and_refuses_a_conflict() {
    let mut tree = Tree::new();
    tree.file("a/one", *b"1", 0o644).unwrap();
    let mut other = Tree::new();
    other.dir("a", 0o700).unwrap();
    other.file("a/two", *b"2", 0o600).unwrap();
    let mut both = tree.clone();
    both.merge("", &other).unwrap();
    assert_eq!(both.get("a"), Some(&Entry::Dir { mode: 0o700 }));
    assert_eq!(both.data("a/one"), Some(b"1".as_slice()));
    assert_eq!(both.data("a/two"), Some(b"2".as_slice()));
    both.merge("", &other).unwrap();
    both.merge("below/here", &tree).unwrap();
    assert_eq!(both.data("below/here/a/one"), Some(b"1".as_slice()));

    let mut conflict = Tree::new();
    conflict.file("a/one", *b"x", 0o644).unwrap();
    assert!(both.merge("", &conflict).is_err());
}
