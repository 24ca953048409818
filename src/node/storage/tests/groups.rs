//! Volume groups.
