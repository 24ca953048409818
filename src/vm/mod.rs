//! Virtual machines for trials: images, machines, and clusters of them that
//! fork from a template within a second.

pub mod error;
pub mod image;
pub mod owner;

pub use error::Error;
