//! What a trial needs of a cluster: a real one in virtual machines, or a fake
//! one in the tests of the runner.

mod answers;
mod ground;
mod lab;
mod machines;
mod memo;
mod packages;
mod repository;
mod wires;

use std::collections::BTreeMap;
use std::time::Duration;

use super::fact::{Probe, Records};
use super::scenario::Fault;
use crate::failure::Failure;

/// Waits in a guest until no `apply` of `ubuntu-ha-setup.service` runs: two at
/// once refuse each other. The unit is of `Type=exec`, so it is active while it
/// works.
pub(super) const SET_UP_IS_OVER: &str = "\
for i in $(seq 300); do
    case $(systemctl show -p ActiveState --value ubuntu-ha-setup.service) in
    active | activating | deactivating) sleep 2 ;;
    *) break ;;
    esac
done";

pub use ground::Ground;
pub use lab::{Heard, Lab, Sources, Stage, Unformed, has_packages, readable};
pub use machines::Machines;

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
    Frozen,
}

/// What a command left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Says nothing of the role: the host, QEMU, a tool.
    Environment(String),
    /// The guest is off, silent or too slow.
    Guest(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Environment(text) => Failure::Environment(text),
            Trouble::Guest(text) => Failure::No(text),
        }
    }
}

impl Trouble {
    pub fn text(&self) -> &str {
        match self {
            Self::Environment(text) | Self::Guest(text) => text,
        }
    }
}

/// A node's answer, and between which moments it was given.
#[derive(Debug)]
pub struct Answer {
    pub node: String,
    pub begin: Duration,
    pub end: Duration,
    pub output: Result<Output, Trouble>,
}

/// What a node's files hold, and between which moments it told.
#[derive(Debug)]
pub struct Files {
    pub node: String,
    pub begin: Duration,
    pub end: Duration,
    /// In the order that was asked for; empty what cannot be read.
    pub contents: Vec<Vec<u8>>,
}

/// A cluster with its client. Time is the driver's, since the scenario began;
/// limits are stretched by [`World::scale`].
pub trait World {
    fn now(&self) -> Duration;

    /// Lets that much of the driver's time pass.
    fn sleep(&mut self, time: Duration);

    /// By how much time limits are stretched; 1 where guests run at full speed.
    fn scale(&self) -> f64;

    /// How late the client was at worst, by its own plan.
    fn lateness(&self) -> Duration;

    /// What executes the guests' code: `KVM`, `TCG`.
    fn accelerator(&self) -> String;

    /// Hardware address to node, of the network that clients are on.
    fn macs(&self) -> BTreeMap<String, String>;

    fn power(&self, node: &str) -> Power;

    /// What the host did to a machine that says nothing of the role.
    fn host_fault(&self) -> Option<String>;

    /// Address of the node's management controller, where it has one.
    fn bmc(&self, node: &str) -> Option<String>;

    /// Runs a shell script as root, with `input` on stdin.
    ///
    /// # Errors
    /// The machine does not answer within `limit`, or is off.
    fn run(
        &mut self,
        node: &str,
        shell: &str,
        input: &str,
        limit: Duration,
    ) -> Result<Output, Trouble>;

    /// Whether it has answered since its power-on or reset; one that boots has
    /// not, yet.
    fn is_up(&self, node: &str) -> bool;

    /// Runs the same on several nodes, at once where possible.
    fn ask(&mut self, nodes: &[String], shell: &str, limit: Duration) -> Vec<Answer> {
        let mut answers = Vec::new();
        for node in nodes {
            let begin = self.now();
            let output = self.run(node, shell, "", limit);
            answers.push(Answer {
                node: node.clone(),
                begin,
                end: self.now(),
                output,
            });
        }
        answers
    }

    /// Reads small files on several nodes at once, as cheaply as can be. A node
    /// that does not answer within `limit` is left out.
    ///
    /// # Errors
    /// `Environment`.
    fn files(
        &mut self,
        nodes: &[String],
        paths: &[&str],
        limit: Duration,
    ) -> Result<Vec<Files>, Trouble>;

    /// Begins a fault.
    ///
    /// # Errors
    /// It could not be made.
    fn inject(&mut self, fault: &Fault<String>) -> Result<(), Trouble>;

    /// Ends a fault that was injected.
    ///
    /// # Errors
    /// It could not be ended.
    fn heal(&mut self, fault: &Fault<String>) -> Result<(), Trouble>;

    /// What the client has asked so far, by time.
    fn probes(&mut self) -> Vec<Probe>;

    /// Ends the writing client; what was acknowledged, and what the service
    /// has stored. `None` where nothing was written.
    ///
    /// # Errors
    /// The stored records cannot be read.
    fn records(&mut self) -> Result<Option<Records>, Trouble>;

    /// What came over the serial line since the scenario began.
    fn console(&mut self, node: &str) -> String;
}
