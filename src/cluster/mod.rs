//! The cluster's configuration: recipes and answers in, text out.
//!
//! Nothing here reads a file, a clock or the environment, or runs a program:
//! `hapkg plan` on a laptop and `ubuntu-ha apply` on a node design the same.

mod design;
mod desired;
pub mod graph;
mod input;
pub mod show;
pub mod simulate;

pub use design::{agents, design};
pub use desired::{Desired, DesiredFile, FenceDevice, Fencing, FilesystemOn, Member, Storage};
pub use input::{AgentMetadata, DrbdVersion, Input, Parameter, Platform, Refusal, RoleAnswers};
