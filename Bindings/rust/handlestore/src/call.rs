//! How the library is called: an error for each code, and objects that are freed once.

use std::ffi::CString;
use std::fmt;
use std::mem::{size_of, MaybeUninit};
use std::os::raw::c_int;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr::{addr_of_mut, null_mut, NonNull};

use crate::error::{Error, Result};
use crate::ffi;

/// Calls a function that returns a code, and turns a code into the error that the function described.
#[inline]
pub(crate) fn call(function: impl FnOnce(*mut ffi::hs_error) -> c_int) -> Result<()> {
    // The 4,608 bytes of text are not cleared before each call: that would cost more than the call.
    let mut room = MaybeUninit::<ffi::hs_error>::uninit();
    let error = room.as_mut_ptr();
    // SAFETY: writes members of a struct that is there.
    unsafe {
        addr_of_mut!((*error).size).write(size_of::<ffi::hs_error>() as u32);
        addr_of_mut!((*error).errnum).write(0);
        addr_of_mut!((*error).refusal).write(0);
        addr_of_mut!((*error).text).cast::<u8>().write(0);
    }
    match function(error) {
        ffi::HS_OK => Ok(()),
        // SAFETY: the members that `read` reads were written above, or by the library.
        code => Err(unsafe { Error::read(code, error) }),
    }
}

/// Calls a function that returns a value through a pointer.
#[inline]
pub(crate) fn fetch<T: Copy>(
    function: impl FnOnce(*mut T, *mut ffi::hs_error) -> c_int,
) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    call(|error| function(value.as_mut_ptr(), error))?;
    // SAFETY: all types that are fetched are integers and structs of them, for which 0 is a value, too.
    Ok(unsafe { value.assume_init() })
}

/// Calls a function that returns whether something is so.
pub(crate) fn fetch_bool(
    function: impl FnOnce(*mut c_int, *mut ffi::hs_error) -> c_int,
) -> Result<bool> {
    fetch(function).map(|value| value != 0)
}

/// Calls a function that fills in a buffer with up to `capacity` values, and says how many these are.
pub(crate) fn fetch_page<T: Copy>(
    capacity: usize,
    function: impl FnOnce(*mut T, *mut usize, *mut ffi::hs_error) -> c_int,
) -> Result<Vec<T>> {
    let mut values = Vec::<T>::with_capacity(capacity);
    let mut count = 0;
    call(|error| function(values.as_mut_ptr(), &mut count, error))?;
    // SAFETY: the function has written `count` values, or all for which there is room.
    unsafe { values.set_len(count.min(capacity)) };
    Ok(values)
}

/// Calls a function that fills in a buffer, and says how many values there are, until there is room for all.
pub(crate) fn fetch_all<T: Copy>(
    mut function: impl FnMut(*mut T, usize, *mut usize, *mut ffi::hs_error) -> c_int,
) -> Result<Vec<T>> {
    let mut capacity = 64;
    loop {
        let mut total = 0;
        let values = fetch_page(capacity, |values, count, error| {
            let code = function(values, capacity, count, error);
            // SAFETY: the count is a variable of `fetch_page`.
            total = unsafe { *count };
            code
        })?;
        if total <= capacity {
            return Ok(values);
        }
        capacity = total;
    }
}

/// Calls a function that opens a file.
pub(crate) fn fetch_fd(
    function: impl FnOnce(*mut c_int, *mut ffi::hs_error) -> c_int,
) -> Result<OwnedFd> {
    own(fetch(function)?)
}

/// Takes over a descriptor that the library returned.
pub(crate) fn own(fd: c_int) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(Error::unexpected(format!("the library returned descriptor {fd}")));
    }
    // SAFETY: the library says that the caller closes it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Returns text that ends with a NUL.
pub(crate) fn c_string(text: &[u8], name: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::bad_value(format!("{name} has a NUL in it; pass it without")))
}

/// Returns a path that ends with a NUL.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    c_string(path.as_os_str().as_bytes(), "the path")
}

/// A type of objects that the library makes.
///
/// # Safety
/// `free` must free what an opening function of that type returned.
pub(crate) unsafe trait Free {
    /// The function that frees an object.
    ///
    /// # Safety
    /// The object is not used afterwards.
    unsafe fn free(object: *mut Self);
}

macro_rules! freed_by {
    ($($type:ident: $function:ident,)*) => {
        $(
            // SAFETY: this is the function that handlestore.h names.
            unsafe impl Free for ffi::$type {
                unsafe fn free(object: *mut Self) {
                    // SAFETY: as the caller promises.
                    unsafe { ffi::$function(object) }
                }
            }
        )*
    };
}

freed_by! {
    hs_store: hs_store_free,
    hs_pins: hs_pins_free,
    hs_export: hs_export_free,
    hs_journal: hs_journal_free,
    hs_open_files: hs_open_files_free,
    hs_parking: hs_parking_free,
    hs_parked_files: hs_parked_files_free,
    hs_kept_files: hs_kept_files_free,
}

/// An object of the library, which is freed when this is dropped.
pub(crate) struct Object<T: Free>(NonNull<T>);

// SAFETY: handlestore.h: all calls may be made from any thread at any time, except while an object is
// freed; and nobody has a reference to it when it is dropped.
unsafe impl<T: Free> Send for Object<T> {}
unsafe impl<T: Free> Sync for Object<T> {}

impl<T: Free> Object<T> {
    /// Makes an object by a function that returns it through a pointer.
    pub(crate) fn open(
        function: impl FnOnce(*mut *mut T, *mut ffi::hs_error) -> c_int,
    ) -> Result<Self> {
        let mut object = null_mut();
        call(|error| function(&mut object, error))?;
        NonNull::new(object)
            .map(Object)
            .ok_or_else(|| Error::unexpected("the library returned no object".to_string()))
    }

    /// The pointer to pass to the library.
    #[inline]
    pub(crate) fn pointer(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T: Free> Drop for Object<T> {
    fn drop(&mut self) {
        // SAFETY: nothing else uses the object any more.
        unsafe { T::free(self.0.as_ptr()) }
    }
}

impl<T: Free> fmt::Debug for Object<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
