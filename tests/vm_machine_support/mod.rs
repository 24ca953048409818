//! What tests/vm_machine.rs is made of.

pub mod cold;
pub mod hub;
pub mod power;
