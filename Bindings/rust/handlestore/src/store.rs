use std::mem::MaybeUninit;
use std::os::raw::c_int;
use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use crate::call::{call, fetch, fetch_all, fetch_bool, fetch_fd, fetch_page, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::{FilesystemId, Node, NodeId, Registration, State};
use crate::options::StoreOptions;
use crate::pages::{Pages, PAGE};
use crate::pins::Pins;
use crate::values::{FileHandle, FoundFile};

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// `O_PATH`: for files of any type; does not touch the file.
    Path,
    /// `O_RDONLY`.
    ReadOnly,
    /// `O_WRONLY`.
    WriteOnly,
    /// `O_RDWR`.
    ReadWrite,
}

impl OpenMode {
    pub(crate) fn raw(self) -> c_int {
        match self {
            OpenMode::Path => ffi::HS_OPEN_PATH,
            OpenMode::ReadOnly => ffi::HS_OPEN_READ_ONLY,
            OpenMode::WriteOnly => ffi::HS_OPEN_WRITE_ONLY,
            OpenMode::ReadWrite => ffi::HS_OPEN_READ_WRITE,
        }
    }
}

/// A store: for each file that a server has shown to its clients, a node id and the kernel's handle.
///
/// Any thread may call it. A clone is the same store. The store is closed when the last clone, and what
/// was made from it ([`Pins`], [`Export`](crate::Export)), is dropped; or before, by [`Store::close`].
/// One process at a time has a store open for writing. In a child of `fork(2)` each call that can fail
/// gives [`Forked`](crate::Code::Forked).
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) object: Arc<Object<ffi::hs_store>>,
}

impl Store {
    /// Opens the store in a directory with the usual options; see [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Store> {
        StoreOptions::new().open(path)
    }

    /// Makes a store in memory, which is gone when it is dropped. For tests of a server.
    pub fn open_in_memory() -> Result<Store> {
        StoreOptions::new().open_in_memory()
    }

    /// Flushes and closes the store. Calls of other threads finish first; later calls give
    /// [`Closed`](crate::Code::Closed), except [`Store::detach`] and [`Store::statistics`]. A store that
    /// was not closed counts as crashed, but loses nothing.
    ///
    /// # Errors
    /// [`DiskFull`](crate::Code::DiskFull) or [`System`](crate::Code::System) if the last flush failed;
    /// the store is closed all the same.
    pub fn close(&self) -> Result<()> {
        // SAFETY: the store is not freed before `self` is dropped. This holds for all calls below.
        call(|error| unsafe { ffi::hs_store_close(self.pointer(), error) })
    }

    /// The generation that goes on the wire with each node id: a random number that stays with the store.
    /// 0 in a child of `fork(2)`.
    pub fn generation(&self) -> u32 {
        unsafe { ffi::hs_store_generation(self.pointer()) }
    }

    #[inline]
    pub(crate) fn pointer(&self) -> *mut ffi::hs_store {
        self.object.pointer()
    }
}

/// # Filesystems
impl Store {
    /// Attaches the filesystem of an open directory (or of a regular file), so that its files can be
    /// opened. Registering needs a filesystem that was attached once. A filesystem that the store knows
    /// gets the id that it had; a copy, or one that was made anew, gets another one. The store keeps a
    /// descriptor of its own, so that the filesystem cannot be unmounted before [`Store::detach`] or
    /// [`Store::close`].
    ///
    /// # Errors
    /// [`NoHandles`](crate::Code::NoHandles), [`AmbiguousFilesystem`](crate::Code::AmbiguousFilesystem),
    /// [`TooManyFilesystems`](crate::Code::TooManyFilesystems),
    /// [`ReadOnlyStore`](crate::Code::ReadOnlyStore), [`DiskFull`](crate::Code::DiskFull),
    /// [`System`](crate::Code::System).
    pub fn attach(&self, directory: impl AsFd) -> Result<FilesystemId> {
        let fd = directory.as_fd();
        fetch(|id, error| unsafe { ffi::hs_attach(self.pointer(), fd.as_raw_fd(), id, error) })
            .map(FilesystemId)
    }

    /// Attaches every filesystem of the store that is mounted and visible to the process. Returns the
    /// attached filesystems.
    pub fn attach_mounted(&self) -> Result<Vec<FilesystemId>> {
        let ids = fetch_all(|ids, capacity, count, error| unsafe {
            ffi::hs_attach_mounted(self.pointer(), ids, capacity, count, error)
        })?;
        Ok(ids.into_iter().map(FilesystemId).collect())
    }

    /// Lets go of a filesystem, so that it can be unmounted. Its nodes stay. Works on a closed store, too.
    pub fn detach(&self, filesystem: FilesystemId) -> Result<()> {
        call(|error| unsafe { ffi::hs_detach(self.pointer(), filesystem.0, error) })
    }
}

/// # Nodes
impl Store {
    /// Returns the node of a file: the one that it has, or a new one. Registers the file durably before it
    /// returns. If the inode number belonged to another file before, that file's node becomes stale. A
    /// file that is merely gone is registered; opening it gives [`Stale`](crate::Code::Stale).
    ///
    /// `pins` is where to count one pin of the node, so that it is not dropped.
    ///
    /// # Errors
    /// [`StaleHandle`](crate::Code::StaleHandle) if the inode number belongs to another file now,
    /// [`NotAttached`](crate::Code::NotAttached), [`UnknownFilesystem`](crate::Code::UnknownFilesystem),
    /// [`WrongFilesystem`](crate::Code::WrongFilesystem), [`ReadOnlyStore`](crate::Code::ReadOnlyStore),
    /// [`DiskFull`](crate::Code::DiskFull), [`Damaged`](crate::Code::Damaged),
    /// [`System`](crate::Code::System); [`BadValue`](crate::Code::BadValue) if the pins are of another
    /// store.
    pub fn register(
        &self,
        filesystem: FilesystemId,
        file: &FoundFile,
        pins: Option<&Pins>,
    ) -> Result<Registration> {
        let pins = Pins::pointer(pins);
        let done = fetch(|done, error| unsafe {
            ffi::hs_register(self.pointer(), filesystem.0, &file.0, pins, done, error)
        })?;
        Registration::new(&done)
    }

    /// Registers several files with one commit, as for `READDIRPLUS`: much faster than one by one.
    /// Returns one result for each file, in their order: `None` if the inode number of a file belongs to
    /// another file now. At most 65,536 files.
    ///
    /// # Errors
    /// As [`Store::register`]. Some files may be registered then, but none is pinned; call again.
    pub fn register_batch(
        &self,
        filesystem: FilesystemId,
        files: &[FoundFile],
        pins: Option<&Pins>,
    ) -> Result<Vec<Option<Registration>>> {
        let pins = Pins::pointer(pins);
        // A FoundFile has the layout of an hs_file.
        let first = files.as_ptr().cast::<ffi::hs_file>();
        let done = fetch_page(files.len(), |done, count, error| unsafe {
            *count = files.len();
            ffi::hs_register_batch(
                self.pointer(),
                filesystem.0,
                first,
                files.len(),
                pins,
                done,
                error,
            )
        })?;
        done.iter().map(Registration::of).collect()
    }

    /// Reads a node. Usually from memory: some tens of nanoseconds. A stale node is no error; see
    /// [`Node::state`].
    ///
    /// # Errors
    /// [`UnknownNode`](crate::Code::UnknownNode), [`Damaged`](crate::Code::Damaged).
    #[inline]
    pub fn get(&self, node: NodeId) -> Result<Node> {
        // Without `fetch`, which moves the value: that would cost as much as the call.
        let mut found = MaybeUninit::<ffi::hs_node>::uninit();
        call(|error| unsafe { ffi::hs_get(self.pointer(), node.0, found.as_mut_ptr(), error) })?;
        // SAFETY: the call has succeeded, and so has written it.
        Node::new(unsafe { &*found.as_ptr() })
    }

    /// Reads the node of a handle; `None` if no node has it.
    pub fn find(&self, filesystem: FilesystemId, handle: &FileHandle) -> Result<Option<Node>> {
        let found = fetch(|found, error| unsafe {
            ffi::hs_find(self.pointer(), filesystem.0, &handle.0, found, error)
        })?;
        (found.id != 0).then(|| Node::new(&found)).transpose()
    }

    /// Opens a node's file by its handle (`open_by_handle_at(2)`; needs `CAP_DAC_READ_SEARCH`), wherever
    /// it is now. What the caller may do with the file is not checked: that is the server's part.
    ///
    /// # Errors
    /// [`Stale`](crate::Code::Stale) if the file is gone; the node is retired then.
    /// [`UnknownNode`](crate::Code::UnknownNode), [`NotAttached`](crate::Code::NotAttached),
    /// [`NotOpenable`](crate::Code::NotOpenable), [`NotPermitted`](crate::Code::NotPermitted),
    /// [`TooManyOpenFiles`](crate::Code::TooManyOpenFiles), [`System`](crate::Code::System).
    pub fn open_node(&self, node: NodeId, mode: OpenMode) -> Result<OwnedFd> {
        fetch_fd(|fd, error| unsafe { ffi::hs_open(self.pointer(), node.0, mode.raw(), fd, error) })
    }

    /// Makes a node stale, because its file is gone. Returns whether it was live.
    pub fn retire(&self, node: NodeId) -> Result<bool> {
        fetch_bool(|changed, error| unsafe {
            ffi::hs_retire(self.pointer(), node.0, changed, error)
        })
    }

    /// Drops a node that nobody holds, if the store's retention allows it: for `FORGET`. Returns whether
    /// it was dropped; its id is never used again.
    pub fn forget(&self, node: NodeId) -> Result<bool> {
        fetch_bool(|dropped, error| unsafe {
            ffi::hs_forget(self.pointer(), node.0, dropped, error)
        })
    }

    /// Drops all nodes that nobody holds and that the store's retention allows to drop. Returns how many
    /// it dropped. Takes time with the number of nodes; other calls go on meanwhile.
    pub fn evict(&self) -> Result<u64> {
        fetch(|dropped, error| unsafe { ffi::hs_evict(self.pointer(), dropped, error) })
    }

    /// Lists the nodes from `start` on in the order of their ids, if wanted only those on a filesystem or
    /// in a state. Nodes that are registered or dropped meanwhile may be in the list or not. The list ends
    /// after an error.
    pub fn nodes(
        &self,
        start: NodeId,
        filesystem: Option<FilesystemId>,
        state: Option<State>,
    ) -> impl Iterator<Item = Result<Node>> + '_ {
        let (filesystem, state) = (filesystem.map_or(0, |id| id.0), State::raw(state));
        Pages::new(start.0, move |start| {
            let mut next = 0;
            let store = self.pointer();
            let page = fetch_page(PAGE, |nodes, count, error| unsafe {
                ffi::hs_list(store, start, filesystem, state, nodes, PAGE, count, &mut next, error)
            })?;
            Ok((page.iter().map(Node::new).collect::<Result<_>>()?, next))
        })
    }
}

/// # Moves and copies
impl Store {
    /// Gives a node another file: the copy of its file on the upper layer of a union. The node gets the
    /// new handle and keeps the old one as an alias, by which its tokens still lead to it.
    ///
    /// # Errors
    /// [`Stale`](crate::Code::Stale), [`UnknownNode`](crate::Code::UnknownNode),
    /// [`BadValue`](crate::Code::BadValue) if the copy has another type, and as [`Store::register`].
    pub fn copy_up(
        &self,
        node: NodeId,
        filesystem: FilesystemId,
        copy: &FoundFile,
    ) -> Result<Registration> {
        let done = fetch(|done, error| unsafe {
            ffi::hs_copy_up(self.pointer(), node.0, filesystem.0, &copy.0, done, error)
        })?;
        Registration::new(&done)
    }

    /// Records that a file has a name in another directory now: call it after a rename into another
    /// directory, an exchange or a link. An export looks there when the kernel has forgotten the name.
    /// Returns the file's node, if it has one.
    pub fn record_move(
        &self,
        filesystem: FilesystemId,
        file: &FoundFile,
        directory: NodeId,
    ) -> Result<Option<NodeId>> {
        fetch(|node, error| unsafe {
            ffi::hs_record_move(self.pointer(), filesystem.0, &file.0, directory.0, node, error)
        })
        .map(NodeId::known)
    }
}
