//! The tests of the crate, in one program because that builds faster.

mod exports;
mod nodes;
mod processes;
mod recovery;
mod tree;
