use std::ffi::CStr;
use std::mem::{size_of, zeroed};
use std::path::Path;

use crate::call::{c_path, call};
use crate::error::{Refusal, Result};
use crate::ffi;
use crate::store::Store;

/// Counts since a store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Registrations that made a node.
    pub created: u64,
    /// Registrations of files that had a node.
    pub existing: u64,
    /// Registrations that made a node and retired another one.
    pub replaced: u64,
    /// Nodes that became stale.
    pub retired: u64,
    /// Nodes that were dropped.
    pub dropped: u64,
    /// Nodes that were read by their id.
    pub gets: u64,
    /// How many of these were in memory.
    pub cache_hits: u64,
    /// Files that were opened.
    pub opened: u64,
    /// Handles that were made again after an open, and compared.
    pub compared: u64,
    /// What passed the gate of an export.
    pub admitted: u64,
    refused: [u64; 32],
}

impl Statistics {
    /// How many times a check of the gate refused.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        let number = usize::try_from(refusal.raw()).unwrap_or(usize::MAX);
        self.refused.get(number).copied().unwrap_or(0)
    }
}

/// What [`check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// How many things are wrong.
    pub findings: u64,
    /// The first of them, a line each.
    pub text: String,
}

/// # Maintenance
impl Store {
    /// Counts since the store was opened.
    pub fn statistics(&self) -> Result<Statistics> {
        // SAFETY: integers may be 0.
        let mut counts: ffi::hs_statistics = unsafe { zeroed() };
        counts.size = size_of::<ffi::hs_statistics>() as u32;
        // SAFETY: the store is not freed before `self` is dropped.
        call(|error| unsafe { ffi::hs_store_statistics(self.pointer(), &mut counts, error) })?;
        Ok(Statistics {
            created: counts.created,
            existing: counts.existing,
            replaced: counts.replaced,
            retired: counts.retired,
            dropped: counts.dropped,
            gets: counts.gets,
            cache_hits: counts.cache_hits,
            opened: counts.opened,
            compared: counts.compared,
            admitted: counts.admitted,
            refused: counts.refused,
        })
    }

    /// Writes a copy of the store as it is now to another directory, which must be empty or missing. Other
    /// calls go on meanwhile.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: the path lives until the call returns.
        call(|error| unsafe { ffi::hs_store_backup(self.pointer(), path.as_ptr(), error) })
    }
}

/// Checks the store in a directory without LMDB, so that no damage can crash the process. The process must
/// not have the store open; another process may write to it.
pub fn check(path: impl AsRef<Path>) -> Result<CheckReport> {
    let path = c_path(path.as_ref())?;
    let (mut findings, mut text) = (0, vec![0_u8; 65_536]);
    let room = text.as_mut_ptr().cast();
    // SAFETY: the path and the room for the text live until the call returns.
    call(|error| unsafe {
        ffi::hs_store_check(path.as_ptr(), &mut findings, room, text.len(), error)
    })?;
    let length = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    Ok(CheckReport { findings, text: String::from_utf8_lossy(&text[..length]).into_owned() })
}

/// The version of the library that the program runs with, as `0.2.0`.
pub fn library_version() -> &'static str {
    // SAFETY: the function returns text that is never freed.
    let version = unsafe { CStr::from_ptr(ffi::hs_version()) };
    version.to_str().unwrap_or_default()
}
