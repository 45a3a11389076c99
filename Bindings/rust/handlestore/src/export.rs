use std::ffi::OsStr;
use std::os::raw::c_int;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};

use crate::call::{c_string, call, fetch, fetch_fd, own, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::{NodeId, Registration};
use crate::pins::Pins;
use crate::store::{OpenMode, Store};
use crate::token::{RawReference, Reference, Token, TokenForm};
use crate::values::{Attributes, FoundFile};

/// How an export checks that a file is inside; Docs/Exports.md compares the ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Containment {
    /// The first of `WholeFilesystem`, `Kernel` and `Walk` that is available.
    #[default]
    Any,
    /// The root is that of its filesystem: there is nothing to check.
    WholeFilesystem,
    /// The subtree gets a private mount (`open_tree(2)`), and the kernel says what is below its root.
    /// Needs `CAP_SYS_ADMIN`.
    Kernel,
    /// The store remembers files that were found inside, until fanotify reports that they were moved.
    /// Needs `CAP_SYS_ADMIN` and Linux 5.17.
    Cached,
    /// The store walks up by `..` to the root.
    Walk,
}

impl Containment {
    fn raw(self) -> c_int {
        match self {
            Containment::Any => ffi::HS_CONTAINMENT_ANY,
            Containment::WholeFilesystem => ffi::HS_CONTAINMENT_WHOLE_FILESYSTEM,
            Containment::Kernel => ffi::HS_CONTAINMENT_KERNEL,
            Containment::Cached => ffi::HS_CONTAINMENT_CACHED,
            Containment::Walk => ffi::HS_CONTAINMENT_WALK,
        }
    }
}

/// A directory subtree that clients may reach, and the gate that checks what they name. Any thread may
/// call it.
#[derive(Debug)]
pub struct Export {
    // Freed before the store, because it comes first.
    object: Object<ffi::hs_export>,
    _store: Store,
}

/// A file of an export that was looked up or created, and registered.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its handle and status. The parent is `None`.
    pub file: FoundFile,
    /// What a server tells its client besides the status.
    pub attributes: Attributes,
    /// Its node.
    pub registration: Registration,
    /// What to give to the client.
    pub token: Token,
}

/// A file that [`Export::create_or_open`] opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenedEntry {
    /// The file.
    pub entry: Entry,
    /// The open file.
    pub fd: OwnedFd,
    /// Whether the call created the file.
    pub was_created: bool,
}

/// # Exports
impl Store {
    /// Adds an export of 1 to 16 open directories, the upper layer first, and opens it. Attaches their
    /// filesystems. The descriptors may be closed afterwards.
    ///
    /// # Errors
    /// [`BadExport`](crate::Code::BadExport), [`Unavailable`](crate::Code::Unavailable), and what
    /// [`Store::attach`] fails with.
    pub fn add_export(
        &self,
        name: &str,
        roots: &[impl AsFd],
        read_only: bool,
        containment: Containment,
    ) -> Result<Export> {
        let name = c_string(name.as_bytes(), "the name")?;
        let fds: Vec<c_int> = roots.iter().map(|root| root.as_fd().as_raw_fd()).collect();
        // SAFETY: name and descriptors live until the call returns.
        self.export(|export, error| unsafe {
            ffi::hs_export_add(
                self.pointer(),
                name.as_ptr(),
                fds.as_ptr(),
                fds.len(),
                read_only.into(),
                containment.raw(),
                export,
                error,
            )
        })
    }

    /// Opens an export by its name. Attaches its filesystems, which must be mounted.
    ///
    /// # Errors
    /// [`NoExport`](crate::Code::NoExport), [`NotAttached`](crate::Code::NotAttached),
    /// [`AmbiguousFilesystem`](crate::Code::AmbiguousFilesystem),
    /// [`StaleHandle`](crate::Code::StaleHandle) if its root is gone,
    /// [`Unavailable`](crate::Code::Unavailable), [`ExposedKeys`](crate::Code::ExposedKeys).
    pub fn open_export(&self, name: &str) -> Result<Export> {
        let name = c_string(name.as_bytes(), "the name")?;
        // SAFETY: the name lives until the call returns.
        self.export(|export, error| unsafe {
            ffi::hs_export_open(self.pointer(), name.as_ptr(), export, error)
        })
    }

    /// Removes an export from the store. Its nodes stay, and one that is open goes on working.
    pub fn remove_export(&self, name: &str) -> Result<()> {
        let name = c_string(name.as_bytes(), "the name")?;
        // SAFETY: the name lives until the call returns.
        call(|error| unsafe { ffi::hs_export_remove(self.pointer(), name.as_ptr(), error) })
    }

    fn export(
        &self,
        function: impl FnOnce(*mut *mut ffi::hs_export, *mut ffi::hs_error) -> c_int,
    ) -> Result<Export> {
        Ok(Export { object: Object::open(function)?, _store: self.clone() })
    }
}

impl Export {
    /// The node of the root. Clients name it as [`NodeId::ROOT`], too. `NodeId(0)` in a child of `fork(2)`.
    pub fn root(&self) -> NodeId {
        // SAFETY: the export is not freed before `self` is dropped. This holds for all calls below, as
        // does that references, names and pins live until the call returns.
        NodeId(unsafe { ffi::hs_export_root(self.object.pointer()) })
    }

    /// Looks up a name in a directory, and registers the file. Returns `None` if there is no such name.
    /// `.` is the directory itself; `..` the one above it, or the root if this is the root.
    ///
    /// `pins` is where to count one pin of the file's node.
    ///
    /// # Errors
    /// [`Refused`](crate::Code::Refused) if the gate refuses the directory, or if the file is not inside;
    /// [`BadName`](crate::Code::BadName), [`MountPoint`](crate::Code::MountPoint),
    /// [`TokenTooLong`](crate::Code::TokenTooLong), and what [`Store::register`] fails with.
    pub fn lookup<'a>(
        &self,
        parent: impl Into<Reference<'a>>,
        name: impl AsRef<OsStr>,
        form: TokenForm,
        pins: Option<&Pins>,
    ) -> Result<Option<Entry>> {
        let (parent, name) = (RawReference::new(parent.into()), name.as_ref().as_bytes());
        let entry: ffi::hs_entry = fetch(|entry, error| unsafe {
            ffi::hs_lookup(
                self.object.pointer(),
                parent.pointer(),
                name.as_ptr().cast(),
                name.len(),
                form.limit(),
                Pins::pointer(pins),
                entry,
                error,
            )
        })?;
        (entry.registration.node != 0).then(|| Entry::new(&entry)).transpose()
    }

    /// Looks up a file that a client names, and registers it: as [`Export::lookup`].
    pub fn lookup_reference<'a>(
        &self,
        file: impl Into<Reference<'a>>,
        form: TokenForm,
        pins: Option<&Pins>,
    ) -> Result<Entry> {
        let file = RawReference::new(file.into());
        let entry = fetch(|entry, error| unsafe {
            ffi::hs_lookup_reference(
                self.object.pointer(),
                file.pointer(),
                form.limit(),
                Pins::pointer(pins),
                entry,
                error,
            )
        })?;
        Entry::new(&entry)
    }

    /// Opens a file in a directory, and creates it if there is none. `mode` is any but
    /// [`OpenMode::Path`]. `permissions` are those of a new file, less the umask.
    ///
    /// # Errors
    /// As [`Export::lookup`]. [`TokenTooLong`](crate::Code::TokenTooLong),
    /// [`DiskFull`](crate::Code::DiskFull) and [`TooManyOpenFiles`](crate::Code::TooManyOpenFiles) may
    /// leave the new file; call again to open it.
    pub fn create_or_open<'a>(
        &self,
        parent: impl Into<Reference<'a>>,
        name: impl AsRef<OsStr>,
        mode: OpenMode,
        permissions: u32,
        form: TokenForm,
        pins: Option<&Pins>,
    ) -> Result<OpenedEntry> {
        let (parent, name) = (RawReference::new(parent.into()), name.as_ref().as_bytes());
        let entry: ffi::hs_entry = fetch(|entry, error| unsafe {
            ffi::hs_create_or_open(
                self.object.pointer(),
                parent.pointer(),
                name.as_ptr().cast(),
                name.len(),
                mode.raw(),
                permissions,
                form.limit(),
                Pins::pointer(pins),
                entry,
                error,
            )
        })?;
        // First, so that it is closed if the rest is not understood.
        let fd = own(entry.fd)?;
        Ok(OpenedEntry { entry: Entry::new(&entry)?, fd, was_created: entry.was_created != 0 })
    }

    /// Opens a file that a client names, if it passes the gate. [`OpenMode::Path`] does not touch it.
    ///
    /// # Errors
    /// [`Refused`](crate::Code::Refused), [`NotOpenableHandle`](crate::Code::NotOpenableHandle),
    /// [`ReadOnlyExport`](crate::Code::ReadOnlyExport), [`System`](crate::Code::System).
    pub fn open<'a>(&self, file: impl Into<Reference<'a>>, mode: OpenMode) -> Result<OwnedFd> {
        let file = RawReference::new(file.into());
        fetch_fd(|fd, error| unsafe {
            ffi::hs_open_reference(self.object.pointer(), file.pointer(), mode.raw(), fd, error)
        })
    }

    /// Makes the token of a node.
    pub fn token_of(&self, node: NodeId, form: TokenForm) -> Result<Token> {
        fetch(|token, error| unsafe {
            ffi::hs_token_of(self.object.pointer(), node.0, form.limit(), token, error)
        })
        .map(Token)
    }
}

impl Entry {
    fn new(entry: &ffi::hs_entry) -> Result<Entry> {
        Ok(Entry {
            file: FoundFile(entry.file),
            attributes: Attributes::new(&entry.attributes),
            registration: Registration::new(&entry.registration)?,
            token: Token(entry.token),
        })
    }
}
