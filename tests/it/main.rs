//! The end-to-end tests: one binary, one file for each concern.

mod harness_cluster;
