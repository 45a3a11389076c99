"""Parking: files that are open but have no name, kept by another process."""

from __future__ import annotations

from socket import socket

from ._calls import CObject, call
from ._library import Descriptor, descriptor, ffi, lib


def parking_sockets() -> tuple[socket, socket]:
    """Makes the pair of sockets between a server (the first) and its supervisor (the second)."""
    sockets = ffi.new("int[2]")
    call(lib.hs_parking_sockets, sockets)
    return socket(fileno=sockets[0]), socket(fileno=sockets[1])


class Parking(CObject):
    """The server's side."""

    def __init__(self, socket: Descriptor):
        """The socket stays the caller's, and must stay open until the object is closed."""
        parking = ffi.new("hs_parking **")
        call(lib.hs_parking_open, descriptor(socket), parking)
        super().__init__(parking[0], lib.hs_parking_free)
        self._socket = socket

    def park(self, fd: Descriptor, node: int) -> None:
        """Sends a file, which is kept until its node is released.

        Waits if the supervisor does not keep up.
        """
        call(lib.hs_park, self._c, descriptor(fd), node)

    def unpark(self, node: int) -> None:
        """Releases a node's file."""
        call(lib.hs_unpark, self._c, node)


class ParkedFiles(CObject):
    """The supervisor's side: keeps the files that it receives until it is closed."""

    def __init__(self) -> None:
        files = ffi.new("hs_parked_files **")
        call(lib.hs_parked_files_open, files)
        super().__init__(files[0], lib.hs_parked_files_free)

    def receive(self, socket: Descriptor) -> bool:
        """Waits for one message. Returns `False` if the server's side is closed.

        A signal does not end the wait, not even Control-C: use `select` on the socket first.
        """
        more = ffi.new("int *")
        call(lib.hs_parked_files_receive, self._c, descriptor(socket), more)
        return bool(more[0])
