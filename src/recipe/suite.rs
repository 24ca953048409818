//! The suites hapkg builds for: one table, nothing about a suite elsewhere.

/// The distribution a suite belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Ubuntu,
    Debian,
}

/// How a suite's packages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Every dpkg reads it.
    Xz,
    /// Ubuntu's own default; Debian's lintian and older tools refuse it.
    Zstd,
}

/// A distribution release.
#[derive(Debug, PartialEq, Eq)]
pub struct Suite {
    /// Code name, as in the changelog and in `dists/`.
    pub name: &'static str,
    pub family: Family,
    /// Release number: `24.04`, `13`.
    pub release: &'static str,
    /// Put behind a role's version. Starts with `~`, so it sorts below the
    /// version itself, and rises with the release.
    pub version_suffix: &'static str,
    /// Compression of its .debs.
    pub packing: Packing,
    /// Newest Debian policy that the suite's lintian knows.
    pub standards_version: &'static str,
    /// Major and minor version of its pacemaker.
    pub pacemaker: (u32, u32),
    /// Archive components that hold what roles depend on.
    pub components: &'static [&'static str],
    /// Build-Depends that bring rustc and cargo of at least 1.85.
    pub rust_build_depends: &'static [&'static str],
    /// Directory with those tools when they are not the default ones.
    pub rust_bin_dir: Option<&'static str>,
    /// Debian's package name to what the suite calls it.
    pub renames: &'static [(&'static str, &'static [&'static str])],
}

const UBUNTU_RENAMES: &[(&str, &[&str])] = &[
    (
        "resource-agents",
        &["resource-agents-base", "resource-agents-extra"],
    ),
    ("fence-agents", &["fence-agents-base", "fence-agents-extra"]),
];

/// Every suite, oldest first; all of them are built by default.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "noble",
        family: Family::Ubuntu,
        release: "24.04",
        version_suffix: "~ubuntu24.04.1",
        packing: Packing::Xz,
        standards_version: "4.6.2",
        pacemaker: (2, 1),
        components: &["main", "universe"],
        rust_build_depends: &["cargo-1.85", "rustc-1.85"],
        rust_bin_dir: Some("/usr/lib/rust-1.85/bin"),
        renames: UBUNTU_RENAMES,
    },
    Suite {
        name: "resolute",
        family: Family::Ubuntu,
        release: "26.04",
        version_suffix: "~ubuntu26.04.1",
        packing: Packing::Xz,
        standards_version: "4.7.4",
        pacemaker: (3, 0),
        components: &["main", "universe"],
        rust_build_depends: &["cargo (>= 1.85)", "rustc (>= 1.85)"],
        rust_bin_dir: None,
        renames: UBUNTU_RENAMES,
    },
    Suite {
        name: "trixie",
        family: Family::Debian,
        release: "13",
        version_suffix: "~debian13.1",
        packing: Packing::Xz,
        standards_version: "4.7.2",
        pacemaker: (3, 0),
        components: &["main"],
        rust_build_depends: &["cargo (>= 1.85)", "rustc (>= 1.85)"],
        rust_bin_dir: None,
        renames: &[],
    },
];

/// The suite of that code name.
pub fn find(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}
