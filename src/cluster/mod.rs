//! The cluster's configuration: recipes and answers in, text out.
//!
//! Nothing here reads a file, a clock or the environment, or runs a program:
//! `hapkg plan` on a laptop and `ubuntu-ha apply` on a node design the same.

mod check;
mod cib;
mod corosync;
mod design;
mod desired;
mod dlm;
mod drbd;
mod expand;
mod fence;
mod fence_agent;
pub mod graph;
mod input;
mod metadata;
mod redact;
mod refuse;
mod sbd;
mod settings;
pub mod show;
pub mod simulate;
mod storage;
mod structure;
mod xml;

pub use cib::NODES_PROPERTY;
pub use corosync::{MARK, node_ids};
pub use design::{agents, design};
pub use desired::{Desired, DesiredFile, FenceDevice, Fencing, FilesystemOn, Member};
pub use desired::{Part, PartKind, SbdTimeouts, Storage};
pub use input::{AgentMetadata, DrbdVersion, Input, Parameter, Platform, Refusal, RoleAnswers};
pub use redact::{is_secret, redact};
pub use xml::{Element, unescaped};
