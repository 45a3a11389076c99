use std::os::unix::io::{AsFd, AsRawFd};
use std::ptr::null_mut;

use crate::call::{fetch, fetch_bool, fetch_page, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::{NodeId, Registration};
use crate::parking::Parking;
use crate::pins::Pins;
use crate::store::Store;

/// The files below a directory whose filesystem cannot open handles, such as FUSE and 9p. Each is kept
/// open as long as a client has pinned its node; [`Store::open_node`] opens them. Any thread may call it.
#[derive(Debug)]
pub struct KeptFiles {
    // Freed before the parking and the store, because it comes first.
    object: Object<ffi::hs_kept_files>,
    _parking: Option<Parking>,
    _store: Store,
}

impl Store {
    /// Keeps files below a directory open, at most `limit` of them. With `parking` the next server gets
    /// them back; the supervisor must receive meanwhile. One object at a time for a store.
    pub fn keep_files(
        &self,
        directory: impl AsFd,
        limit: usize,
        parking: Option<Parking>,
    ) -> Result<KeptFiles> {
        let fd = directory.as_fd();
        let pointer = parking.as_ref().map_or(null_mut(), Parking::pointer);
        // SAFETY: store and parking are not freed before the object.
        let object = Object::open(|kept, error| unsafe {
            ffi::hs_kept_files_open(self.pointer(), fd.as_raw_fd(), limit, pointer, kept, error)
        })?;
        Ok(KeptFiles { object, _parking: parking, _store: self.clone() })
    }
}

impl KeptFiles {
    /// Registers an open file and keeps it.
    ///
    /// # Errors
    /// [`System`](crate::Code::System): `ENFILE` if `limit` files are kept and in use.
    pub fn register(
        &self,
        file: impl AsFd,
        parent: Option<NodeId>,
        pins: Option<&Pins>,
    ) -> Result<Registration> {
        let (fd, parent) = (file.as_fd(), parent.map_or(0, |parent| parent.0));
        // SAFETY: the object is not freed before `self` is dropped. This holds for all calls below.
        let done = fetch(|done, error| unsafe {
            let pins = Pins::pointer(pins);
            ffi::hs_kept_files_register(
                self.object.pointer(),
                fd.as_raw_fd(),
                parent,
                pins,
                done,
                error,
            )
        })?;
        Registration::new(&done)
    }

    /// Closes a node's file unless somebody holds the node. Returns whether it is closed.
    pub fn give_up(&self, node: NodeId) -> Result<bool> {
        let kept = self.object.pointer();
        fetch_bool(|gone, error| unsafe { ffi::hs_kept_files_give_up(kept, node.0, gone, error) })
    }

    /// The node of the directory.
    pub fn root(&self) -> Result<NodeId> {
        let kept = self.object.pointer();
        fetch(|root, error| unsafe { ffi::hs_kept_files_state(kept, root, null_mut(), error) })
            .map(NodeId)
    }

    /// How many files are kept.
    pub fn count(&self) -> Result<usize> {
        let kept = self.object.pointer();
        fetch(|count, error| unsafe { ffi::hs_kept_files_state(kept, null_mut(), count, error) })
    }

    /// Up to `count` nodes whose files were not used for longest.
    pub fn least_used(&self, count: usize) -> Result<Vec<NodeId>> {
        let kept = self.object.pointer();
        let nodes = fetch_page(count, |nodes, found, error| unsafe {
            ffi::hs_kept_files_least_used(kept, nodes, count, found, error)
        })?;
        Ok(nodes.into_iter().map(NodeId).collect())
    }
}
