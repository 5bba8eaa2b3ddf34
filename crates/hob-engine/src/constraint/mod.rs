//! Grammar-constrained output.
