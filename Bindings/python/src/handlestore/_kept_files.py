"""Files that are kept open, because their filesystem cannot open handles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._calls import CObject, call
from ._export import c_pins
from ._library import Descriptor, descriptor, ffi, lib
from ._parking import Parking
from ._values import Registration

if TYPE_CHECKING:
    from ._pins import Pins
    from ._store import Store


class KeptFiles(CObject):
    """The files below a directory whose filesystem cannot open handles, such as FUSE and 9p.

    Each is kept open as long as a client has pinned its node, at most `limit` of them. `Store.open` opens
    them. With `parking` the next server gets them back. One object at a time for a store.
    """

    def __init__(
        self, store: Store, directory: Descriptor, limit: int, parking: Parking | None = None
    ):
        kept = ffi.new("hs_kept_files **")
        c_parking = ffi.NULL if parking is None else parking._c
        call(lib.hs_kept_files_open, store._c, descriptor(directory), limit, c_parking, kept)
        super().__init__(kept[0], lib.hs_kept_files_free, store)
        self._parking = parking

    def register(self, fd: Descriptor, parent: int = 0, pins: Pins | None = None) -> Registration:
        """Registers an open file and keeps it. `parent` is the node of its directory."""
        result = ffi.new("hs_registration *")
        call(lib.hs_kept_files_register, self._c, descriptor(fd), parent, c_pins(pins), result)
        return Registration._read(result)

    def give_up(self, node: int) -> bool:
        """Closes a node's file unless somebody holds the node. Returns whether it is closed."""
        gone = ffi.new("int *")
        call(lib.hs_kept_files_give_up, self._c, node, gone)
        return bool(gone[0])

    @property
    def root(self) -> int:
        """The node of the directory."""
        root = ffi.new("uint64_t *")
        call(lib.hs_kept_files_state, self._c, root, ffi.NULL)
        return int(root[0])

    def __len__(self) -> int:
        """How many files are kept."""
        count = ffi.new("size_t *")
        call(lib.hs_kept_files_state, self._c, ffi.NULL, count)
        return int(count[0])

    def least_used(self, count: int) -> list[int]:
        """Lists up to `count` nodes whose files were not used for longest."""
        nodes, found = ffi.new("uint64_t[]", count), ffi.new("size_t *")
        call(lib.hs_kept_files_least_used, self._c, nodes, count, found)
        return [int(nodes[i]) for i in range(found[0])]
