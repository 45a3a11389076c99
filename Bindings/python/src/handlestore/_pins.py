"""Pins: the lookups that a client has not forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calls import CObject, call, fetch_all
from ._library import Descriptor, descriptor, ffi, lib

if TYPE_CHECKING:
    from ._store import Store


class Pins(CObject):
    """The pins of one client, in a file that outlives the server: a memfd, or a file on ext4 or XFS.

    A store does not drop a node that has pins. `Store.pins` makes one. The file keeps its counts after
    `close()`, but then the store does not look at them.
    """

    def __init__(self, store: Store, fd: Descriptor):
        pins = ffi.new("hs_pins **")
        call(lib.hs_pins_open, store._c, descriptor(fd), pins)
        super().__init__(pins[0], lib.hs_pins_free, store)
        self._store = store

    def pin(self, node: int, count: int = 1) -> bool:
        """Adds to a node's pins. Returns `False` if there is no such node: it was dropped."""
        pinned = ffi.new("int *")
        call(lib.hs_pin, self._store._c, node, count, self._c, pinned)
        return bool(pinned[0])

    def unpin(self, node: int, count: int = 1) -> int:
        """Takes back pins of a node, and returns what is left. The count stops at 0."""
        left = ffi.new("uint64_t *")
        call(lib.hs_unpin, self._c, node, count, left)
        return int(left[0])

    def unpin_all(self) -> None:
        """Takes back all pins: the client is gone."""
        call(lib.hs_unpin_all, self._c)

    def count(self, node: int) -> int:
        """Returns the number of pins of a node."""
        count = ffi.new("uint64_t *")
        call(lib.hs_pin_count, self._c, node, count)
        return int(count[0])

    def nodes(self) -> list[int]:
        """Lists the pinned nodes, in no order."""
        return fetch_all("uint64_t", lib.hs_pinned, self._c)
