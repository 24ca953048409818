//! Results worth keeping: bytes named by a hash of what they were made from.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::atomic;

/// What nobody asked for during this time is taken away.
const KEPT_FOR: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// The bytes that `make` gives for `parts`, from `cache/KIND/` where an
/// earlier call left them. A cache that cannot be read or written is done
/// without.
///
/// # Errors
/// Those of `make`.
pub fn kept<E>(
    cache: &Path,
    kind: &str,
    parts: &[&[u8]],
    make: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let dir = cache.join(kind);
    let path = dir.join(key(parts));
    if let Ok(data) = fs::read(&path) {
        return Ok(data);
    }
    let data = make()?;
    if atomic::create_dir_all(&dir, 0o755).is_ok() && atomic::write(&path, &data, 0o644).is_ok() {
        let _ = prune(&dir, SystemTime::now());
    }
    Ok(data)
}

/// Length before content, so that no two lists of parts read the same.
fn key(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes away the files nobody has written or read since [`KEPT_FOR`].
fn prune(dir: &Path, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        let used = meta.modified()?.max(meta.accessed()?);
        if now.duration_since(used).is_ok_and(|age| age > KEPT_FOR) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(cache: &Path, kind: &str, parts: &[&[u8]]) -> bool {
        cache.join(kind).join(key(parts)).is_file()
    }

    fn make(text: &str) -> Result<Vec<u8>, String> {
        Ok(text.as_bytes().to_vec())
    }

    #[test]
    fn made_once_for_the_same_parts() {
        let dir = tempfile::tempdir().unwrap();
        let parts: [&[u8]; 2] = [b"a", b"b"];
        assert!(!has(dir.path(), "k", &parts));
        assert_eq!(kept(dir.path(), "k", &parts, || make("1")).unwrap(), b"1");
        assert_eq!(kept(dir.path(), "k", &parts, || make("2")).unwrap(), b"1");
        assert!(has(dir.path(), "k", &parts));
        assert_eq!(kept(dir.path(), "k", &[b"ab"], || make("3")).unwrap(), b"3");
        assert_eq!(
            kept(dir.path(), "k", &[b"a", b"b", b""], || make("4")).unwrap(),
            b"4"
        );
    }

    #[test]
    fn a_failure_is_not_kept_and_a_cache_is_not_needed() {
        let dir = tempfile::tempdir().unwrap();
        let failed = kept(dir.path(), "k", &[b"a"], || Err("no".to_string()));
        assert_eq!(failed, Err("no".to_string()));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(kept(&file, "k", &[b"a"], || make("1")).unwrap(), b"1");
    }

    #[test]
    fn old_results_go() {
        let dir = tempfile::tempdir().unwrap();
        kept(dir.path(), "k", &[b"a"], || make("1")).unwrap();
        let later = SystemTime::now() + KEPT_FOR + Duration::from_secs(60);
        prune(&dir.path().join("k"), SystemTime::now()).unwrap();
        assert!(has(dir.path(), "k", &[b"a"]));
        prune(&dir.path().join("k"), later).unwrap();
        assert!(!has(dir.path(), "k", &[b"a"]));
    }
}
