#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![cfg(target_os = "linux")]

mod call;
mod error;
mod export;
mod ffi;
#[cfg(test)]
mod header_test;
mod journal;
mod kept_files;
mod maintenance;
mod node;
mod open_files;
mod options;
mod pages;
mod parking;
mod pins;
mod store;
mod token;
mod values;
mod watches;

pub use error::{Code, Error, Refusal, Result};
pub use export::{Containment, Entry, Export, OpenedEntry};
pub use journal::{Intent, Journal, Operation};
pub use kept_files::KeptFiles;
pub use maintenance::{check, library_version, CheckReport, Statistics};
pub use node::{FilesystemId, Node, NodeId, Outcome, Registration, State};
pub use open_files::OpenFiles;
pub use options::{Durability, Retention, StoreOptions};
pub use parking::{ParkedFiles, Parking};
pub use pins::Pins;
pub use store::{OpenMode, Store};
pub use token::{Reference, Token, TokenForm};
pub use values::{Attributes, FileHandle, FileStatus, FoundFile};
pub use watches::{Deletions, Sweep, WatchedNode, Watcher};
