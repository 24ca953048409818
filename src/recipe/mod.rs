//! The recipe model: parse, validate, a suite's view of it.

pub mod model;
pub mod suite;
