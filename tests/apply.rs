//! `ubuntu-ha apply`: the real program on a directory that stands for a host.

#![cfg(feature = "packager")]

mod fake_host;

#[path = "apply/setup.rs"]
mod setup;

#[path = "apply/plain.rs"]
mod plain;

#[path = "apply/interrupted.rs"]
mod interrupted;

#[path = "apply/refused.rs"]
mod refused;

#[path = "apply/changed.rs"]
mod changed;

#[path = "apply/full.rs"]
mod full;

#[path = "apply/storage.rs"]
mod storage;
