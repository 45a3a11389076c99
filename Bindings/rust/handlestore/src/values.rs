use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsFd, AsRawFd};

use crate::call::fetch;
use crate::error::{Error, Result};
use crate::ffi;
use crate::node::NodeId;

/// A kernel file handle (`name_to_handle_at(2)`): a type, and 1 to 128 bytes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct FileHandle(pub(crate) ffi::hs_handle);

impl FileHandle {
    /// Makes a handle of what `name_to_handle_at(2)` returned.
    ///
    /// # Errors
    /// [`BadValue`](crate::Code::BadValue) unless there are 1 to 128 bytes.
    pub fn new(handle_type: i32, bytes: &[u8]) -> Result<FileHandle> {
        let mut handle =
            ffi::hs_handle { length: bytes.len() as u32, type_: handle_type, bytes: [0; 128] };
        if bytes.is_empty() || bytes.len() > handle.bytes.len() {
            return Err(Error::bad_value(format!(
                "a handle has {} bytes; it must have 1 to 128",
                bytes.len()
            )));
        }
        handle.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(FileHandle(handle))
    }

    /// The type, as `name_to_handle_at(2)` gives it.
    pub fn handle_type(&self) -> i32 {
        self.0.type_
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes[..(self.0.length as usize).min(self.0.bytes.len())]
    }
}

impl PartialEq for FileHandle {
    fn eq(&self, other: &FileHandle) -> bool {
        (self.handle_type(), self.bytes()) == (other.handle_type(), other.bytes())
    }
}

impl Eq for FileHandle {}

impl std::hash::Hash for FileHandle {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.handle_type(), self.bytes()).hash(state);
    }
}

impl fmt::Debug for FileHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileHandle({:#x}, {})", self.handle_type(), Hex(self.bytes()))
    }
}

/// Bytes that print as hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What `stat(2)` says about a file, as far as the store needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// `st_ino`.
    pub inode: u64,
    /// `st_mode`: the type and the permissions.
    pub mode: u32,
    /// `st_nlink`.
    pub links: u32,
    /// `st_size`.
    pub size: u64,
    /// `st_dev`, which is never stored.
    pub device: u64,
}

/// What `stat(2)` says about a file besides [`FileStatus`]: what a server tells its client. The times are
/// in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// `st_uid`.
    pub uid: u32,
    /// `st_gid`.
    pub gid: u32,
    /// `st_rdev`.
    pub rdev: u64,
    /// `st_blocks`, of 512 bytes.
    pub blocks: u64,
    /// `st_blksize`.
    pub block_size: u32,
    /// `st_atim`: when the file was last read.
    pub atime: i64,
    /// The nanoseconds of `atime`.
    pub atime_nsec: u32,
    /// `st_mtim`: when the file was last written.
    pub mtime: i64,
    /// The nanoseconds of `mtime`.
    pub mtime_nsec: u32,
    /// `st_ctim`: when the file's status was last changed.
    pub ctime: i64,
    /// The nanoseconds of `ctime`.
    pub ctime_nsec: u32,
}

impl Attributes {
    pub(crate) fn new(raw: &ffi::hs_attributes) -> Attributes {
        Attributes {
            uid: raw.uid,
            gid: raw.gid,
            rdev: raw.rdev,
            blocks: raw.blocks,
            block_size: raw.block_size,
            atime: raw.atime,
            atime_nsec: raw.atime_nsec,
            mtime: raw.mtime,
            mtime_nsec: raw.mtime_nsec,
            ctime: raw.ctime,
            ctime_nsec: raw.ctime_nsec,
        }
    }
}

/// A file as it was found: its handle, its status, and the directory in which it was found. This is what
/// the store needs to register it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct FoundFile(pub(crate) ffi::hs_file);

impl FoundFile {
    /// Reads handle and status of an open file; `O_PATH` will do.
    ///
    /// # Errors
    /// [`System`](crate::Code::System): `EOPNOTSUPP` if the filesystem has no handles.
    pub fn of(file: impl AsFd, parent: Option<NodeId>) -> Result<FoundFile> {
        let file = file.as_fd();
        // SAFETY: the descriptor is open until the call returns.
        fetch(|found, error| unsafe {
            ffi::hs_file_of(file.as_raw_fd(), NodeId::raw(parent), found, error)
        })
        .map(FoundFile)
    }

    /// Reads handle and status of a name in a directory. Does not follow a symbolic link.
    ///
    /// # Errors
    /// [`BadName`](crate::Code::BadName) unless the name is one component,
    /// [`TooManyOpenFiles`](crate::Code::TooManyOpenFiles), and [`System`](crate::Code::System): `ENOENT`,
    /// `ENOTDIR`, `EACCES`.
    pub fn at(
        directory: impl AsFd,
        name: impl AsRef<OsStr>,
        parent: Option<NodeId>,
    ) -> Result<FoundFile> {
        let (directory, name) = (directory.as_fd(), name.as_ref().as_bytes());
        let parent = NodeId::raw(parent);
        // SAFETY: descriptor and name live until the call returns.
        fetch(|found, error| unsafe {
            ffi::hs_file_at(
                directory.as_raw_fd(),
                name.as_ptr().cast(),
                name.len(),
                parent,
                found,
                error,
            )
        })
        .map(FoundFile)
    }

    /// Puts together a file of which the server has read handle and status itself. Both must belong to
    /// the same file.
    pub fn new(handle: FileHandle, status: FileStatus, parent: Option<NodeId>) -> FoundFile {
        FoundFile(ffi::hs_file {
            handle: handle.0,
            inode: status.inode,
            size: status.size,
            device: status.device,
            parent: NodeId::raw(parent),
            mode: status.mode,
            links: status.links,
            reserved: [0; 4],
        })
    }

    /// The file's handle.
    pub fn handle(&self) -> FileHandle {
        FileHandle(self.0.handle)
    }

    /// The file's status.
    pub fn status(&self) -> FileStatus {
        FileStatus {
            inode: self.0.inode,
            mode: self.0.mode,
            links: self.0.links,
            size: self.0.size,
            device: self.0.device,
        }
    }

    /// The node of the directory in which the file was found, if it is known.
    pub fn parent(&self) -> Option<NodeId> {
        NodeId::known(self.0.parent)
    }
}

impl fmt::Debug for FoundFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundFile")
            .field("handle", &self.handle())
            .field("status", &self.status())
            .field("parent", &self.parent())
            .finish()
    }
}
