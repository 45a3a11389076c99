use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::call::{call, fetch, fetch_bool, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::NodeId;

/// The files that clients have open, in a file that outlives the server. Any thread may call it.
#[derive(Debug)]
pub struct OpenFiles {
    // Freed before the descriptor is closed, because it comes first.
    object: Object<ffi::hs_open_files>,
    _fuse: Option<OwnedFd>,
}

impl OpenFiles {
    /// Opens the record of open files in a file that outlives the server (a memfd from the process that
    /// mounts), with what an earlier server left in it. The file must be empty, or have such a record in
    /// it; only one object at a time may use it, and nobody may shorten it meanwhile (that would end the
    /// process by `SIGBUS`).
    ///
    /// `fuse` is `/dev/fuse` of the mount, through which the kernel keeps files (`FUSE_PASSTHROUGH`); it
    /// is closed with the object. `None`: the kernel keeps none.
    pub fn open(file: impl AsFd, fuse: Option<OwnedFd>) -> Result<OpenFiles> {
        let (fd, fuse_fd) = (file.as_fd(), fuse.as_ref().map_or(-1, |fuse| fuse.as_raw_fd()));
        // SAFETY: `fuse` is closed after the object was freed.
        let object = Object::open(|files, error| unsafe {
            ffi::hs_open_files_open(fd.as_raw_fd(), fuse_fd, files, error)
        })?;
        Ok(OpenFiles { object, _fuse: fuse })
    }

    /// Records an open. `number` is not 0; in FUSE the request's `unique` without bit 63. `file` is for the
    /// kernel to keep. Returns the number under which the kernel keeps it, if it does.
    pub fn add(
        &self,
        number: u64,
        node: NodeId,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<Option<u32>> {
        let (files, fd) = (self.object.pointer(), file.map_or(-1, |fd| fd.as_raw_fd()));
        // SAFETY: the object is not freed before `self` is dropped. This holds for all calls below.
        let id = fetch(|id, error| unsafe {
            ffi::hs_open_files_add(files, number, node.0, fd, id, error)
        })?;
        Ok((id != 0).then_some(id))
    }

    /// Records that an open has ended (`RELEASE`). Does nothing if there is none.
    pub fn remove(&self, number: u64) -> Result<()> {
        call(|error| unsafe { ffi::hs_open_files_remove(self.object.pointer(), number, error) })
    }

    /// Records that all opens of a node have ended: the kernel does not know it any more (`FORGET`). An open
    /// would stay on record for ever if the server was killed before it answered the request, and the client
    /// too.
    pub fn remove_all(&self, node: NodeId) -> Result<()> {
        call(|error| unsafe { ffi::hs_open_files_remove_all(self.object.pointer(), node.0, error) })
    }

    /// The node of an open, if there is one.
    pub fn find(&self, number: u64) -> Result<Option<NodeId>> {
        fetch(|node, error| unsafe {
            ffi::hs_open_files_find(self.object.pointer(), number, node, error)
        })
        .map(NodeId::known)
    }

    /// Whether a node is open.
    pub fn is_open(&self, node: NodeId) -> Result<bool> {
        let files = self.object.pointer();
        fetch_bool(|is_open, error| unsafe {
            ffi::hs_open_files_state(files, node.0, is_open, std::ptr::null_mut(), error)
        })
    }

    /// Whether a node's file must be parked before its last name is removed: it is open, and the kernel
    /// does not keep it.
    pub fn needs_parking(&self, node: NodeId) -> Result<bool> {
        let files = self.object.pointer();
        fetch_bool(|needs_parking, error| unsafe {
            ffi::hs_open_files_state(files, node.0, std::ptr::null_mut(), needs_parking, error)
        })
    }
}
