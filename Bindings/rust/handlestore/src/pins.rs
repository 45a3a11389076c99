use std::os::unix::io::{AsFd, AsRawFd};
use std::ptr::null_mut;

use crate::call::{call, fetch, fetch_all, fetch_bool, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::NodeId;
use crate::store::Store;

/// The pins of one client: for each node, the number of lookups that the client has not forgotten. The
/// store does not drop a node that has pins.
///
/// They are in a file that outlives the server. When they are dropped, the store no longer looks at them;
/// the file keeps its counts. Any thread may call them.
#[derive(Debug)]
pub struct Pins {
    // Freed before the store, because it comes first.
    object: Object<ffi::hs_pins>,
    store: Store,
}

impl Store {
    /// Opens the pins in a file that outlives the server: a memfd from the process that mounts, or a file
    /// on ext4 or XFS. The file must be empty, or have pins in it; only one object at a time may use it,
    /// and nobody may shorten it meanwhile (that would end the process by `SIGBUS`). The descriptor is not
    /// kept.
    pub fn pins(&self, file: impl AsFd) -> Result<Pins> {
        let fd = file.as_fd();
        // SAFETY: the store is not freed before the pins, which have a clone of it.
        let object = Object::open(|pins, error| unsafe {
            ffi::hs_pins_open(self.pointer(), fd.as_raw_fd(), pins, error)
        })?;
        Ok(Pins { object, store: self.clone() })
    }
}

impl Pins {
    /// Adds to a node's pins. Returns `false` if there is no such node: it was dropped.
    pub fn pin(&self, node: NodeId, count: u64) -> Result<bool> {
        let pins = self.object.pointer();
        // SAFETY: pins and store are not freed before `self` is dropped. This holds for all calls below.
        fetch_bool(|pinned, error| unsafe {
            ffi::hs_pin(self.store.pointer(), node.0, count, pins, pinned, error)
        })
    }

    /// Takes back pins of a node. The count stops at 0. Returns what it is then.
    pub fn unpin(&self, node: NodeId, count: u64) -> Result<u64> {
        let pins = self.object.pointer();
        fetch(|left, error| unsafe { ffi::hs_unpin(pins, node.0, count, left, error) })
    }

    /// Takes back all pins: the client is gone.
    pub fn unpin_all(&self) -> Result<()> {
        call(|error| unsafe { ffi::hs_unpin_all(self.object.pointer(), error) })
    }

    /// The pinned nodes, in no order. Nodes that are pinned or unpinned meanwhile may be among them or not.
    pub fn nodes(&self) -> Result<Vec<NodeId>> {
        let pins = self.object.pointer();
        let nodes = fetch_all(|nodes, capacity, count, error| unsafe {
            ffi::hs_pinned(pins, nodes, capacity, count, error)
        })?;
        Ok(nodes.into_iter().map(NodeId).collect())
    }

    /// The number of pins of a node.
    pub fn count(&self, node: NodeId) -> Result<u64> {
        let pins = self.object.pointer();
        fetch(|count, error| unsafe { ffi::hs_pin_count(pins, node.0, count, error) })
    }

    /// The pointer to pass to the library.
    #[inline]
    pub(crate) fn pointer(pins: Option<&Pins>) -> *mut ffi::hs_pins {
        pins.map_or(null_mut(), |pins| pins.object.pointer())
    }
}
