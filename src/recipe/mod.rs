//! The recipe model: parse, validate, a suite's view of it.
//!
//! What the node program shares is compiled always; reading and checking
//! recipes needs the feature `packager`.

pub mod answer;
#[cfg(feature = "packager")]
mod check;
pub mod compiled;
#[cfg(feature = "packager")]
pub mod date;
#[cfg(feature = "packager")]
pub(crate) mod document;
#[cfg(feature = "packager")]
mod load;
pub mod model;
#[cfg(feature = "packager")]
pub(crate) mod problem;
#[cfg(feature = "packager")]
pub(crate) mod read;
#[cfg(feature = "packager")]
pub mod relation;
#[cfg(feature = "packager")]
mod scaffold;
#[cfg(feature = "packager")]
pub(crate) mod schema;
#[cfg(feature = "packager")]
mod structure;
pub mod suggest;
pub mod suite;
pub mod template;
#[cfg(feature = "packager")]
pub mod view;

#[cfg(feature = "packager")]
pub use load::{Context, load, parse};
#[cfg(feature = "packager")]
pub use problem::{Problem, Problems};
#[cfg(feature = "packager")]
pub use scaffold::new_recipe;
#[cfg(feature = "packager")]
pub use schema::schema;
