//! What a cluster shall be.

use std::net::IpAddr;

/// The whole configuration of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// `cluster_name` of corosync.conf(5).
    pub name: String,
    /// In the order of the answers; ids from 1.
    pub members: Vec<Member>,
    /// Files of every node, corosync.conf last. Without the key of corosync,
    /// which is no text that can be shown.
    pub files: Vec<DesiredFile>,
    /// The CIB as one document (`<cib>…</cib>`) with an empty status; its
    /// `<nodes>` is empty, because pacemaker fills it. Holds the passwords of
    /// fence devices.
    pub cib: String,
    /// What the CIB's resources are, the outer ones before what is in them.
    pub resources: Vec<Part>,
    /// In the order in which it has to be prepared.
    pub storage: Vec<Storage>,
    pub fencing: Fencing,
    /// Where sbd(8) is used.
    pub sbd: Option<SbdTimeouts>,
    /// Names of the roles, sorted.
    pub roles: Vec<String>,
    /// What the administrator should know; nothing stands in the way.
    pub notes: Vec<String>,
}

impl Desired {
    /// The CIB with its passwords hidden.
    pub fn cib_redacted(&self) -> String {
        super::redact(&self.cib)
    }
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// `nodeid`.
    pub id: u32,
    pub name: String,
    /// One address for each knet link.
    pub addresses: Vec<IpAddr>,
}

/// A resource of the CIB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub id: String,
    /// `None` for a fence device.
    pub role: Option<String>,
    pub kind: PartKind,
    /// `ocf:heartbeat:IPaddr2`; of a primitive only.
    pub agent: Option<String>,
    /// Id of the group or clone that holds it directly.
    pub inside: Option<String>,
}

/// Kinds of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Primitive,
    Group,
    Clone,
    /// A clone with one promoted instance, or several.
    Promotable,
}

/// A file that has to be on every node.
#[derive(Clone, PartialEq, Eq)]
pub struct DesiredFile {
    /// Below the root, without a leading slash.
    pub path: String,
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Never shown.
    pub secret: bool,
}

impl std::fmt::Debug for DesiredFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("DesiredFile");
        shown.field("path", &self.path).field("mode", &self.mode);
        if self.secret {
            return shown.finish_non_exhaustive();
        }
        shown
            .field("content", &String::from_utf8_lossy(&self.content))
            .finish()
    }
}

/// How a lost node is made harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fencing {
    /// Devices, in the order of their level.
    Devices(Vec<FenceDevice>),
    /// sbd with a watchdog and without a disk.
    Watchdog { device: String },
    /// Nobody fences; only for roles that may run so.
    AcceptSplitBrain,
}

/// Timeouts of sbd(8), in seconds. Its servants read those of a disk from the
/// disk itself, and all nodes go by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SbdTimeouts {
    /// Without a sign of life for so long, a node is reset by its watchdog.
    pub watchdog: u32,
    /// After so long a node that was told to die, or lost the quorum, counts as
    /// dead.
    pub message: u32,
}

impl SbdTimeouts {
    /// For that watchdog; a message takes twice as long, as sbd(8) and
    /// `stonith-watchdog-timeout` of pacemaker-fenced(7) have it.
    pub fn new(watchdog: u32) -> Self {
        Self {
            watchdog,
            message: 2 * watchdog,
        }
    }
}

/// A fence device of the CIB.
#[derive(Clone, PartialEq, Eq)]
pub struct FenceDevice {
    /// Id of the primitive.
    pub id: String,
    /// `fence_ipmilan`.
    pub agent: String,
    pub params: Vec<(String, String)>,
    /// Names of the nodes it can fence.
    pub targets: Vec<String>,
    /// Level of the fencing topology, from 1.
    pub level: u32,
}

impl std::fmt::Debug for FenceDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FenceDevice")
            .field("id", &self.id)
            .field("agent", &self.agent)
            .field("targets", &self.targets)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Something on disk that is made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// DRBD metadata on a backing device of two nodes.
    Drbd {
        role: String,
        resource: String,
        /// Backing device, the same path on each node.
        device: String,
        minor: u32,
        port: u16,
        /// "This device may be erased" was answered.
        erase: bool,
    },
    /// A volume group and its logical volumes, sizes in lvcreate(8) terms.
    VolumeGroup {
        role: String,
        name: String,
        device: String,
        shared: bool,
        volumes: Vec<(String, String)>,
        erase: bool,
    },
    /// A filesystem.
    Filesystem {
        role: String,
        id: String,
        on: FilesystemOn,
        /// ext4, xfs, ocfs2, gfs2.
        kind: String,
        mount: String,
        /// gfs2: `-t CLUSTER:NAME`; ocfs2: the cluster's name.
        lock_table: Option<String>,
        /// Journals (gfs2) or node slots (ocfs2).
        journals: u32,
        /// Directories whose content moves onto it.
        migrate: Vec<String>,
    },
}

/// What a filesystem is made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesystemOn {
    /// `/dev/drbd/by-res/RESOURCE/0`.
    Drbd(String),
    Lvm {
        group: String,
        volume: String,
    },
    Path(String),
}
