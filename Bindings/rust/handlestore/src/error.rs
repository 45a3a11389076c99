use std::ffi::CStr;
use std::os::raw::c_int;
use std::ptr::{addr_of, addr_of_mut};
use std::{fmt, io};

use crate::ffi;

/// The result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
///
/// Its text says what failed, why, and what to do. It converts into a [`std::io::Error`] with the errno
/// that a file server replies to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    errno: i32,
    refusal: Option<Refusal>,
    text: String,
}

impl Error {
    /// What went wrong, for programs.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The errno that a file server replies to its client: `ESTALE` for a stale node, for example.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Which check of an export's gate refused, if the code is [`Code::Refused`].
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// What failed, why, and what to do.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Converts it into an [`io::Error`] that has this error in it, and so prints its text.
    ///
    /// Such an error has no `raw_os_error()`, because an [`io::Error`] has either a text or an errno.
    /// [`io::Error::from`] is the conversion that keeps the errno.
    pub fn into_io_error_with_text(self) -> io::Error {
        io::Error::new(io::Error::from_raw_os_error(self.errno).kind(), self)
    }

    /// Reads what the library said about a failure.
    ///
    /// # Safety
    /// Errno, refusal and text are initialized, and the text ends with a NUL.
    #[cold]
    pub(crate) unsafe fn read(code: c_int, error: *mut ffi::hs_error) -> Error {
        // SAFETY: as the caller promises. The text is read up to its NUL only.
        let (errno, refusal, text) = unsafe {
            (
                addr_of!((*error).errnum).read(),
                addr_of!((*error).refusal).read(),
                CStr::from_ptr(addr_of_mut!((*error).text).cast()),
            )
        };
        Error {
            code: Code::from_raw(code),
            errno,
            refusal: (refusal != 0).then(|| Refusal::from_raw(refusal)),
            text: text.to_string_lossy().into_owned(),
        }
    }

    /// An argument that cannot be passed to the library.
    pub(crate) fn bad_value(text: String) -> Error {
        Error { code: Code::BadValue, errno: EINVAL, refusal: None, text }
    }

    /// An answer of the library that this version of the crate does not understand.
    pub(crate) fn unexpected(text: String) -> Error {
        Error { code: Code::Unexpected, errno: EIO, refusal: None, text }
    }
}

const EIO: i32 = 5;
const EINVAL: i32 = 22;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    /// Keeps the errno, so that `raw_os_error()` is what a server replies. The text is lost; see
    /// [`Error::into_io_error_with_text`].
    fn from(error: Error) -> io::Error {
        io::Error::from_raw_os_error(error.errno)
    }
}

/// Declares an enum whose cases have numbers in the library, and a case for numbers of later versions.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$case_about:meta])* $case:ident = $number:ident,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$case_about])* $case,)*
            /// One that a later version of the library has, by its number.
            Other(i32),
        }

        impl $name {
            /// Returns the case with a number of handlestore.h.
            pub fn from_raw(number: i32) -> Self {
                match number {
                    $(ffi::$number => $name::$case,)*
                    other => $name::Other(other),
                }
            }

            /// The number in handlestore.h, which never changes.
            pub fn raw(self) -> i32 {
                match self {
                    $($name::$case => ffi::$number,)*
                    $name::Other(number) => number,
                }
            }
        }
    };
}

numbered! {
    /// What went wrong. It prints as a few words in English.
    Code {
        /// The node is stale: its file is gone.
        Stale = HS_STALE,
        /// The handle is stale: its file is gone.
        StaleHandle = HS_STALE_HANDLE,
        /// There is no such node.
        UnknownNode = HS_UNKNOWN_NODE,
        /// The store has no such filesystem.
        UnknownFilesystem = HS_UNKNOWN_FILESYSTEM,
        /// The filesystem is not attached.
        NotAttached = HS_NOT_ATTACHED,
        /// The file is on another filesystem.
        WrongFilesystem = HS_WRONG_FILESYSTEM,
        /// The filesystem may be a copy of another one.
        AmbiguousFilesystem = HS_AMBIGUOUS_FILESYSTEM,
        /// The store has no room for another filesystem.
        TooManyFilesystems = HS_TOO_MANY_FILESYSTEMS,
        /// The filesystem has no file handles.
        NoHandles = HS_NO_HANDLES,
        /// Neither a file nor a directory; use [`OpenMode::Path`](crate::OpenMode::Path).
        NotOpenable = HS_NOT_OPENABLE,
        /// The same of a node that was opened by a handle.
        NotOpenableHandle = HS_NOT_OPENABLE_HANDLE,
        /// The gate of an export refused it; see [`Error::refusal`].
        Refused = HS_REFUSED,
        /// There is no such export.
        NoExport = HS_NO_EXPORT,
        /// The export cannot be added so.
        BadExport = HS_BAD_EXPORT,
        /// The export is read-only.
        ReadOnlyExport = HS_READ_ONLY_EXPORT,
        /// The containment is not available here.
        Unavailable = HS_UNAVAILABLE,
        /// The token needs more bytes.
        TokenTooLong = HS_TOKEN_TOO_LONG,
        /// The name is not one component.
        BadName = HS_BAD_NAME,
        /// The name is a mount point.
        MountPoint = HS_MOUNT_POINT,
        /// Others can read the file of keys.
        ExposedKeys = HS_EXPOSED_KEYS,
        /// The store has no keys.
        NoKeys = HS_NO_KEYS,
        /// The file of keys is damaged.
        UnusableKeys = HS_UNUSABLE_KEYS,
        /// There is no such key.
        NoKey = HS_NO_KEY,
        /// A file of the store is damaged.
        DamagedFile = HS_DAMAGED_FILE,
        /// A file belongs to another store.
        ForeignFile = HS_FOREIGN_FILE,
        /// Another process has the store open for writing.
        InUse = HS_IN_USE,
        /// This process has the store open.
        AlreadyOpen = HS_ALREADY_OPEN,
        /// The store was opened for reading only.
        ReadOnlyStore = HS_READ_ONLY_STORE,
        /// The store was closed.
        Closed = HS_CLOSED,
        /// The store was opened before `fork(2)`.
        Forked = HS_FORKED,
        /// There is no store.
        NoStore = HS_NO_STORE,
        /// The directory has something else in it.
        NotAStore = HS_NOT_A_STORE,
        /// The store has another format.
        UnsupportedVersion = HS_UNSUPPORTED_VERSION,
        /// The store is damaged; run `handlestore repair`.
        Damaged = HS_DAMAGED,
        /// A power cut tore the store; run `handlestore repair`.
        Torn = HS_TORN,
        /// The store is an incomplete copy.
        TornCopy = HS_TORN_COPY,
        /// Two directories share one data file.
        SharedData = HS_SHARED_DATA,
        /// An argument is out of its range.
        BadValue = HS_BAD_VALUE,
        /// An error that should not happen.
        Unexpected = HS_UNEXPECTED,
        /// The disk or quota of the store is full.
        DiskFull = HS_DISK_FULL,
        /// The process or the system has too many open files.
        TooManyOpenFiles = HS_TOO_MANY_OPEN_FILES,
        /// Too many threads read at once.
        TooManyCallers = HS_TOO_MANY_CALLERS,
        /// A capability is missing.
        NotPermitted = HS_NOT_PERMITTED,
        /// A system call failed; see [`Error::errno`].
        System = HS_SYSTEM,
        /// The database of a shared store refused.
        Database = HS_DATABASE,
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the function returns text that is never freed.
        let words = unsafe { CStr::from_ptr(ffi::hs_strerror(self.raw())) };
        f.write_str(&words.to_string_lossy())
    }
}

numbered! {
    /// Which check of an export's gate refused a node or a token. They are made in this order.
    Refusal {
        /// It does not have the length of a token.
        Length = HS_REFUSED_LENGTH,
        /// Its handle has a type that no filesystem makes.
        HandleType = HS_REFUSED_HANDLE_TYPE,
        /// Its version is not known.
        Version = HS_REFUSED_VERSION,
        /// The server does not have its key, or not any more.
        Key = HS_REFUSED_KEY,
        /// It was forged, cut or changed.
        Signature = HS_REFUSED_SIGNATURE,
        /// It is for another export.
        Export = HS_REFUSED_EXPORT,
        /// Its node was dropped, or never existed.
        UnknownNode = HS_REFUSED_UNKNOWN_NODE,
        /// Its file is gone.
        Stale = HS_REFUSED_STALE,
        /// Its inode belongs to another file now.
        Replaced = HS_REFUSED_REPLACED,
        /// The file has another type now.
        FileType = HS_REFUSED_FILE_TYPE,
        /// The file is not in the export.
        Outside = HS_REFUSED_OUTSIDE,
    }
}
