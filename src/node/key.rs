//! The key of corosync, from the cluster's secret.
//!
//! The secret becomes 32 bytes, the master, by argon2id (RFC 9106) with 64 MiB
//! of memory, 3 passes, one lane and the salt `ubuntu-ha authkey 1 NAME`, where
//! NAME is the cluster's. From the master HKDF-SHA256 (RFC 5869, the expand
//! step alone, info `ubuntu-ha corosync authkey 1`) makes the 256 bytes of
//! /etc/corosync/authkey. Without a secret the master is random.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use sha2::Sha256;

use super::host::Host;
use super::layout::{Layout, Subject, reading};
use super::problem::{Failure, Problem};
use crate::atomic;

/// Memory in KiB, passes, lanes: the second choice of RFC 9106, section 4,
/// with one lane, because the node program has one thread.
const MEMORY: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

const SALT: &str = "ubuntu-ha authkey 1 ";
const AUTHKEY_INFO: &[u8] = b"ubuntu-ha corosync authkey 1";
const TOKEN_INFO: &[u8] = b"ubuntu-ha token 1";

/// Permission bits of the file that keeps the master.
pub const MODE: u32 = 0o600;
/// Permission bits of `/var/lib/ubuntu-ha`.
pub const STATE_MODE: u32 = 0o700;

/// What every key of a cluster is derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct Master([u8; 32]);

impl Master {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What [`path`] holds for this master.
    pub fn to_file(&self) -> Vec<u8> {
        let mut text = HEXLOWER.encode(&self.0);
        text.push('\n');
        text.into_bytes()
    }

    /// The key that tokens are authenticated with.
    pub fn token_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        expand(&self.0, TOKEN_INFO, &mut key);
        key
    }
}

impl std::ops::Deref for Master {
    type Target = [u8; 32];

    fn deref(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(…)")
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites a secret that is not needed any more, as far as safe Rust can
/// promise it.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// Where the master is kept.
pub fn path(layout: &Layout) -> PathBuf {
    layout.state().join("master")
}

/// The master of the cluster that this host belongs, or shall belong, to:
/// derived from `secret` where there is one, else the kept one. `None`: there
/// is neither, and the first node makes a [`new_master`]. Nothing is written.
///
/// # Errors
/// [`Failure::Refused`]: the host is in a cluster whose key was not made from
/// this secret. [`Failure::Environment`]: the file is there but is no master.
pub fn master(host: &Host, secret: Option<&str>, cluster: &str) -> Result<Option<Master>, Failure> {
    let kept = read(&host.layout)?;
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
        return Ok(kept);
    };
    let derived = derive(secret, cluster);
    let formed = host.layout.state().join("formed").exists();
    if formed && kept.is_some_and(|kept| kept != derived) {
        return Err(Failure::Refused(vec![other_secret(&host.layout)]));
    }
    Ok(Some(derived))
}

fn other_secret(layout: &Layout) -> Problem {
    let path = layout.secrets(&Subject::Cluster).join("secret");
    Problem::new(
        &Subject::Cluster,
        "secret: the key of the running cluster was not made from this secret under this cluster's \
         name; put the former ones back, or run `ubuntu-ha leave` on this node first",
    )
    .in_file(path, None)
}

/// The kept master; `None` where there is none.
///
/// # Errors
/// The file is there but cannot be read, or is no master.
pub fn read(layout: &Layout) -> Result<Option<Master>, Failure> {
    let path = path(layout);
    let mut text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(&path, &error)),
    };
    let bytes = HEXLOWER.decode(text.trim_ascii_end());
    wipe(&mut text);
    let master = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    master.map(Master).map(Some).ok_or_else(|| damaged(&path))
}

fn damaged(path: &Path) -> Failure {
    Failure::environment(
        format!("{} is damaged: no 64 hexadecimal digits", path.display()),
        "copy it from another node of the cluster, mode 0600".into(),
    )
}

/// Keeps the master, for root alone.
///
/// # Errors
/// It cannot be written; the file is then as it was.
pub fn keep(layout: &Layout, master: &Master) -> Result<(), Failure> {
    atomic::create_dir_all(&layout.state(), STATE_MODE)?;
    Ok(atomic::write(&path(layout), &master.to_file(), MODE)?)
}

/// A random master.
///
/// # Errors
/// The kernel gives no random bytes.
pub fn new_master() -> Result<Master, Failure> {
    random().map(Master)
}

/// Bytes of random(4): before the kernel's generator is seeded, as early in a
/// first boot, this waits.
///
/// # Errors
/// The device is not there.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let path = Path::new("/dev/random");
    let mut bytes = [0; N];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| reading(path, &e))?;
    Ok(bytes)
}

/// The content of /etc/corosync/authkey, mode 0400.
pub fn authkey(master: &[u8; 32]) -> [u8; 256] {
    let mut key = [0; 256];
    expand(master, AUTHKEY_INFO, &mut key);
    key
}

fn derive(secret: &str, cluster: &str) -> Master {
    let mut bytes = [0; 32];
    let salt = format!("{SALT}{cluster}");
    let params = Params::new(MEMORY, PASSES, LANES, Some(bytes.len())).expect("valid parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(secret.as_bytes(), salt.as_bytes(), &mut bytes)
        .expect("the salt has at least 8 bytes and the output 32");
    Master(bytes)
}

fn expand(master: &[u8; 32], info: &[u8], key: &mut [u8]) {
    Hkdf::<Sha256>::from_prk(master)
        .expect("a master has the length of a hash")
        .expand(info, key)
        .expect("keys are shorter than 255 hashes");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn host(root: &Path) -> Host {
        Host::new(Layout::new(root.into()))
    }

    /// Computed with OpenSSL 3: EVP_KDF "ARGON2ID" (memcost 65536, iter 3,
    /// lanes 1).
    const MASTER: &str = "a08d4204305a2479332f38a100d98a8b89b0397d4f696d96a927bed42d42bf93";

    #[test]
    fn the_secret_becomes_what_another_argon2id_makes_of_it() {
        let master = derive("example-shared-secret-0001", "ha-vip");
        assert_eq!(HEXLOWER.encode(&*master), MASTER);
        let master = derive("Prüfwort ohne Sinn", "ha");
        let other = "e7f7d816c46621fb37a0fb89aeb5b3b25673aaa0302864a9913c9eb3725af862";
        assert_eq!(HEXLOWER.encode(&*master), other);
    }

    #[test]
    fn the_authkey_is_what_another_hkdf_makes_of_the_master() {
        let master: [u8; 32] = HEXLOWER
            .decode(MASTER.as_bytes())
            .unwrap()
            .try_into()
            .unwrap();
        // Computed with OpenSSL 3: EVP_KDF "HKDF", mode EXPAND_ONLY, SHA-256.
        let expected = "98e120a46e5bbd6ed761602d1fc7174c37da99bd20b2593df4b19c68310b72f4\
             4c2ef122a4e26f37e21d2e9f1681260120e0cd704f48d353974786a33d096bd9\
             df5cd7001c680ab39c3a7b4f573453d54eabc6c0d9d6d6b32f8ff17df7d492c2\
             0095e23e929457d961d81a5e508bd671ff4f0b1d60a17ba5ad0e7860f6ffffdc\
             d6a259ee891fa7f07b8c0c8df40e4ac90d1f237e21716aa647f5b6410f271837\
             6610b43a8463e8d743f067fdea983be7abbc0e43e913b982b49ff53b99b7f76a\
             9ac6d251071307cc6a55e9bf2b6d91f91181ad4b82da4c4e3a3b979352b45668\
             2d1f03f880ba59073ee801c40b28394d39b8638cc8402fb8fc6ea13866e2a331";
        assert_eq!(HEXLOWER.encode(&authkey(&master)), expected);
        assert_ne!(&authkey(&master)[..32], &Master(master).token_key());
    }

    #[test]
    fn another_cluster_has_another_key() {
        assert!(derive("one secret", "ha") != derive("one secret", "hb"));
    }

    #[test]
    fn two_random_masters_differ() {
        assert!(new_master().unwrap() != new_master().unwrap());
    }

    #[test]
    fn a_kept_master_is_read_back_and_is_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let host = host(root.path());
        assert!(master(&host, None, "ha").unwrap().is_none());
        let made = new_master().unwrap();
        keep(&host.layout, &made).unwrap();
        assert!(master(&host, None, "ha").unwrap().unwrap() == made);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(path(&host.layout)), 0o600);
        assert_eq!(mode(host.layout.state()), 0o700);
        assert_eq!(format!("{made:?}"), "Master(…)");
    }

    #[test]
    fn a_damaged_master_is_no_master() {
        let root = tempfile::tempdir().unwrap();
        let host = host(root.path());
        keep(&host.layout, &new_master().unwrap()).unwrap();
        for text in ["", "abc", &"f".repeat(62), &"g".repeat(64)] {
            fs::write(path(&host.layout), text).unwrap();
            let failure = read(&host.layout).unwrap_err();
            assert_eq!(failure.exit_code(), 3, "{text}");
        }
    }

    #[test]
    fn another_secret_is_refused_once_the_cluster_is_formed() {
        let root = tempfile::tempdir().unwrap();
        let host = host(root.path());
        keep(&host.layout, &derive("the old secret", "ha")).unwrap();
        let new = master(&host, Some("the new secret"), "ha")
            .unwrap()
            .unwrap();
        assert!(new == derive("the new secret", "ha"));
        fs::write(host.layout.state().join("formed"), "ha\n").unwrap();
        assert!(master(&host, Some("the old secret"), "ha").is_ok());
        let failure = master(&host, Some("the new secret"), "ha").unwrap_err();
        assert_eq!(failure.exit_code(), 1);
    }
}
