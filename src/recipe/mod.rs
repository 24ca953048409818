//! The recipe model: parse, validate, a suite's view of it.

pub mod answer;
pub mod compiled;
pub mod model;
#[cfg(feature = "packager")]
pub mod relation;
pub mod suggest;
pub mod suite;
pub mod template;
#[cfg(feature = "packager")]
pub mod view;
