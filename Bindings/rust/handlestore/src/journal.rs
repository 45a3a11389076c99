use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::null;

use crate::call::{call, fetch, fetch_bool, Object};
use crate::error::Result;
use crate::ffi;
use crate::values::FileHandle;

/// What a server is about to do for a request that must not be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent<'a> {
    /// Create a file; the name is free.
    Create {
        /// The type, as in `st_mode & S_IFMT`.
        file_type: u32,
        /// The name.
        name: &'a OsStr,
    },
    /// Give a file another name, which is free.
    Link {
        /// The file.
        file: &'a FileHandle,
        /// The name.
        name: &'a OsStr,
    },
    /// Remove a name.
    Remove {
        /// The file that has the name.
        file: &'a FileHandle,
        /// The name.
        name: &'a OsStr,
    },
    /// Rename a file.
    Rename {
        /// The file.
        file: &'a FileHandle,
        /// The name that it has.
        name: &'a OsStr,
        /// The name that it gets.
        new_name: &'a OsStr,
    },
    /// Exchange two files.
    Exchange {
        /// A file.
        file: &'a FileHandle,
        /// The name that it has.
        name: &'a OsStr,
        /// The other file.
        other: &'a FileHandle,
        /// The name that the other one has.
        new_name: &'a OsStr,
    },
    /// Set an extended attribute that the file does not have.
    CreateAttribute,
    /// Remove an extended attribute.
    RemoveAttribute,
    /// `FALLOC_FL_INSERT_RANGE`.
    InsertRange {
        /// The size of the file before.
        size: u64,
        /// The length of the range.
        length: u64,
    },
    /// `FALLOC_FL_COLLAPSE_RANGE`.
    CollapseRange {
        /// The size of the file before.
        size: u64,
        /// The length of the range.
        length: u64,
    },
}

/// The operation of an [`Intent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Intent::Create`]
    Create,
    /// [`Intent::Link`]
    Link,
    /// [`Intent::Remove`]
    Remove,
    /// [`Intent::Rename`]
    Rename,
    /// [`Intent::Exchange`]
    Exchange,
    /// [`Intent::CreateAttribute`]
    CreateAttribute,
    /// [`Intent::RemoveAttribute`]
    RemoveAttribute,
    /// [`Intent::InsertRange`]
    InsertRange,
    /// [`Intent::CollapseRange`]
    CollapseRange,
    /// One that a later version of the library noted, by its number.
    Other(u32),
}

/// The requests that a server has begun and not answered, in a file that outlives it. Its successor asks
/// whether a request that comes again was done. Any thread may call it.
#[derive(Debug)]
pub struct Journal {
    object: Object<ffi::hs_journal>,
}

impl Journal {
    /// Opens the journal in a file that outlives the server (a memfd from the process that mounts), with
    /// the requests that an earlier server left. `capacity` is 1 to 1,048,576 requests in progress; the
    /// file takes a KiB for each at once. The file must be empty, or have a journal in it; only one object
    /// at a time may use it, and nobody may shorten it meanwhile (that would end the process by `SIGBUS`).
    /// The descriptor may be closed afterwards.
    pub fn open(file: impl AsFd, capacity: usize) -> Result<Journal> {
        let fd = file.as_fd();
        // SAFETY: the descriptor is open until the call returns.
        let object = Object::open(|journal, error| unsafe {
            ffi::hs_journal_open(fd.as_raw_fd(), capacity, journal, error)
        })?;
        Ok(Journal { object })
    }

    /// Notes an intent before the server acts. `request` is its number, not 0; in FUSE its `unique`
    /// without bit 63.
    pub fn note(&self, request: u64, intent: &Intent<'_>) -> Result<()> {
        let intent = intent.raw();
        // SAFETY: the journal is not freed before `self` is dropped, and what the intent points to lives
        // until the call returns. This holds for all calls below.
        call(|error| unsafe {
            ffi::hs_journal_note(self.object.pointer(), request, &intent, error)
        })
    }

    /// Forgets a request after the reply. Does nothing if none is noted.
    pub fn forget(&self, request: u64) -> Result<()> {
        call(|error| unsafe { ffi::hs_journal_forget(self.object.pointer(), request, error) })
    }

    /// The operation that is noted for a request, if there is one.
    pub fn find(&self, request: u64) -> Result<Option<Operation>> {
        fetch(|operation, error| unsafe {
            ffi::hs_journal_find(self.object.pointer(), request, operation, error)
        })
        .map(Operation::new)
    }

    /// Whether a noted operation on names was done, judged by what the names lead to now; `false` if
    /// nothing is noted. `new_directory` is that of the new name; `None` if it is the same.
    pub fn was_done(
        &self,
        request: u64,
        directory: impl AsFd,
        new_directory: Option<BorrowedFd<'_>>,
    ) -> Result<bool> {
        let (directory, new) = (directory.as_fd(), new_directory.map_or(-1, |fd| fd.as_raw_fd()));
        fetch_bool(|done, error| unsafe {
            ffi::hs_journal_was_done(
                self.object.pointer(),
                request,
                directory.as_raw_fd(),
                new,
                done,
                error,
            )
        })
    }

    /// Whether a noted operation on an extended attribute was done, judged by whether the file has it now.
    pub fn attribute_was_done(&self, request: u64, has_attribute: bool) -> Result<bool> {
        let journal = self.object.pointer();
        fetch_bool(|done, error| unsafe {
            ffi::hs_journal_attribute_was_done(journal, request, has_attribute.into(), done, error)
        })
    }

    /// Whether a noted operation on a range was done, judged by the size of the file now.
    pub fn range_was_done(&self, request: u64, size: u64) -> Result<bool> {
        fetch_bool(|done, error| unsafe {
            ffi::hs_journal_range_was_done(self.object.pointer(), request, size, done, error)
        })
    }
}

impl Operation {
    fn new(number: u32) -> Option<Operation> {
        Some(match number {
            0 => return None,
            ffi::HS_INTENT_CREATE => Operation::Create,
            ffi::HS_INTENT_LINK => Operation::Link,
            ffi::HS_INTENT_REMOVE => Operation::Remove,
            ffi::HS_INTENT_RENAME => Operation::Rename,
            ffi::HS_INTENT_EXCHANGE => Operation::Exchange,
            ffi::HS_INTENT_CREATE_ATTRIBUTE => Operation::CreateAttribute,
            ffi::HS_INTENT_REMOVE_ATTRIBUTE => Operation::RemoveAttribute,
            ffi::HS_INTENT_INSERT_RANGE => Operation::InsertRange,
            ffi::HS_INTENT_COLLAPSE_RANGE => Operation::CollapseRange,
            other => Operation::Other(other),
        })
    }
}

impl Intent<'_> {
    /// The intent as the library reads it, with pointers to what this intent borrows.
    fn raw(&self) -> ffi::hs_intent {
        match *self {
            Intent::Create { file_type, name } => {
                ffi::hs_intent { type_: file_type, ..named(ffi::HS_INTENT_CREATE, name) }
            }
            Intent::Link { file, name } => {
                ffi::hs_intent { file: &file.0, ..named(ffi::HS_INTENT_LINK, name) }
            }
            Intent::Remove { file, name } => {
                ffi::hs_intent { file: &file.0, ..named(ffi::HS_INTENT_REMOVE, name) }
            }
            Intent::Rename { file, name, new_name } => {
                ffi::hs_intent { file: &file.0, ..renamed(ffi::HS_INTENT_RENAME, name, new_name) }
            }
            Intent::Exchange { file, name, other, new_name } => ffi::hs_intent {
                file: &file.0,
                other: &other.0,
                ..renamed(ffi::HS_INTENT_EXCHANGE, name, new_name)
            },
            Intent::CreateAttribute => bare(ffi::HS_INTENT_CREATE_ATTRIBUTE),
            Intent::RemoveAttribute => bare(ffi::HS_INTENT_REMOVE_ATTRIBUTE),
            Intent::InsertRange { size, length } => {
                ffi::hs_intent { size, length, ..bare(ffi::HS_INTENT_INSERT_RANGE) }
            }
            Intent::CollapseRange { size, length } => {
                ffi::hs_intent { size, length, ..bare(ffi::HS_INTENT_COLLAPSE_RANGE) }
            }
        }
    }
}

fn bare(operation: u32) -> ffi::hs_intent {
    ffi::hs_intent {
        operation,
        type_: 0,
        name: null(),
        name_length: 0,
        new_name: null(),
        new_name_length: 0,
        file: null(),
        other: null(),
        size: 0,
        length: 0,
        reserved: [0; 3],
    }
}

fn named(operation: u32, name: &OsStr) -> ffi::hs_intent {
    let name = name.as_bytes();
    ffi::hs_intent { name: name.as_ptr().cast(), name_length: name.len(), ..bare(operation) }
}

fn renamed(operation: u32, name: &OsStr, new_name: &OsStr) -> ffi::hs_intent {
    let new_name = new_name.as_bytes();
    ffi::hs_intent {
        new_name: new_name.as_ptr().cast(),
        new_name_length: new_name.len(),
        ..named(operation, name)
    }
}
