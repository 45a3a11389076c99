use std::os::unix::io::{AsFd, AsRawFd, OwnedFd};

use crate::call::{call, fetch_bool, own, Object};
use crate::error::Result;
use crate::ffi;
use crate::node::NodeId;

/// The server's side of the parking of files. A file that is open but has no name any more is lost with
/// its last descriptor, so the server parks it with another process, its supervisor. Any thread may call
/// it.
#[derive(Debug)]
pub struct Parking {
    // Freed before the descriptor is closed, because it comes first.
    object: Object<ffi::hs_parking>,
    _socket: OwnedFd,
}

impl Parking {
    /// Makes a pair of sockets: the first for the server's [`Parking`], the second for the supervisor's
    /// [`ParkedFiles`].
    pub fn sockets() -> Result<(OwnedFd, OwnedFd)> {
        let mut sockets = [-1; 2];
        // SAFETY: there is room for two sockets.
        call(|error| unsafe { ffi::hs_parking_sockets(sockets.as_mut_ptr(), error) })?;
        Ok((own(sockets[0])?, own(sockets[1])?))
    }

    /// Parks files through a socket.
    pub fn new(socket: OwnedFd) -> Result<Parking> {
        // SAFETY: `socket` is closed after the object was freed.
        let object = Object::open(|parking, error| unsafe {
            ffi::hs_parking_open(socket.as_raw_fd(), parking, error)
        })?;
        Ok(Parking { object, _socket: socket })
    }

    /// Sends a file, which is kept until its node is released. Waits if the supervisor does not keep up.
    ///
    /// # Errors
    /// [`System`](crate::Code::System): `EPIPE` or `ECONNRESET` if the supervisor is gone.
    pub fn park(&self, file: impl AsFd, node: NodeId) -> Result<()> {
        let (parking, fd) = (self.object.pointer(), file.as_fd());
        // SAFETY: the object is not freed before `self` is dropped. This holds for all calls below.
        call(|error| unsafe { ffi::hs_park(parking, fd.as_raw_fd(), node.0, error) })
    }

    /// The pointer to pass to the library.
    pub(crate) fn pointer(&self) -> *mut ffi::hs_parking {
        self.object.pointer()
    }

    /// Releases a node's file, if one is parked.
    pub fn unpark(&self, node: NodeId) -> Result<()> {
        call(|error| unsafe { ffi::hs_unpark(self.object.pointer(), node.0, error) })
    }
}

/// The supervisor's side: keeps the files that it receives until it is dropped.
#[derive(Debug)]
pub struct ParkedFiles {
    object: Object<ffi::hs_parked_files>,
}

impl ParkedFiles {
    /// Makes an empty set of parked files.
    pub fn new() -> Result<ParkedFiles> {
        // SAFETY: nothing else is passed.
        let object =
            Object::open(|files, error| unsafe { ffi::hs_parked_files_open(files, error) })?;
        Ok(ParkedFiles { object })
    }

    /// Waits for one message. Returns `false` if the server's side is closed.
    pub fn receive(&self, socket: impl AsFd) -> Result<bool> {
        let (files, fd) = (self.object.pointer(), socket.as_fd());
        // SAFETY: the object is not freed before `self` is dropped.
        fetch_bool(|more, error| unsafe {
            ffi::hs_parked_files_receive(files, fd.as_raw_fd(), more, error)
        })
    }
}
