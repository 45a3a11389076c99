"""Open files: what clients have open, and which of it must be parked."""

from __future__ import annotations

from typing import NamedTuple

from ._calls import CObject, call
from ._library import Descriptor, descriptor, ffi, lib


class OpenState(NamedTuple):
    """Whether a node is open, and whether its file must be parked before its last name is removed."""

    is_open: bool
    needs_parking: bool


class OpenFiles(CObject):
    """The files that clients have open, in a file that outlives the server."""

    def __init__(self, fd: Descriptor, fuse: Descriptor | None = None):
        """Opens the table in a file, with what an earlier server left in it.

        `fuse` is /dev/fuse of the mount, through which the kernel keeps files (FUSE_PASSTHROUGH); it
        must stay open until the object is closed.
        """
        files = ffi.new("hs_open_files **")
        device = -1 if fuse is None else descriptor(fuse)
        call(lib.hs_open_files_open, descriptor(fd), device, files)
        super().__init__(files[0], lib.hs_open_files_free)
        self._fuse = fuse

    def add(self, number: int, node: int, fd: Descriptor | None = None) -> int:
        """Records an open. Returns the number under which the kernel keeps the file `fd`, or 0.

        `number` is not 0; in FUSE it is the request's `unique` without bit 63.
        """
        backing_id = ffi.new("uint32_t *")
        file = -1 if fd is None else descriptor(fd)
        call(lib.hs_open_files_add, self._c, number, node, file, backing_id)
        return int(backing_id[0])

    def remove(self, number: int) -> None:
        """Records that an open has ended. Does nothing if there is none."""
        call(lib.hs_open_files_remove, self._c, number)

    def remove_all(self, node: int) -> None:
        """Records that all opens of a node have ended: the kernel does not know it any more (FORGET).

        An open would stay on record for ever if the server was killed before it answered the request,
        and the client too.
        """
        call(lib.hs_open_files_remove_all, self._c, node)

    def find(self, number: int) -> int | None:
        """Returns the node of an open."""
        node = ffi.new("uint64_t *")
        call(lib.hs_open_files_find, self._c, number, node)
        return int(node[0]) or None

    def state(self, node: int) -> OpenState:
        """Says whether a node is open, and whether its file must be parked."""
        is_open, needs_parking = ffi.new("int *"), ffi.new("int *")
        call(lib.hs_open_files_state, self._c, node, is_open, needs_parking)
        return OpenState(bool(is_open[0]), bool(needs_parking[0]))
