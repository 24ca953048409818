//! Deterministic writing and reading of Debian packages and apt indexes.
