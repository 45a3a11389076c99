"""Exports: the subtrees that clients may reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from os import fsencode
from typing import TYPE_CHECKING, Any, Sequence

from ._calls import CObject, call
from ._library import Descriptor, Name, descriptor, export_name, ffi, lib
from ._pins import Pins
from ._values import (
    File,
    OpenMode,
    Reference,
    Registration,
    TokenLimit,
    c_reference,
    read_token,
)

if TYPE_CHECKING:
    from ._store import Store


class Containment(IntEnum):
    """How an export checks that a file is inside."""

    #: The fastest that is available and keeps every rule.
    ANY = lib.HS_CONTAINMENT_ANY
    #: The root is that of its filesystem.
    WHOLE_FILESYSTEM = lib.HS_CONTAINMENT_WHOLE_FILESYSTEM
    KERNEL = lib.HS_CONTAINMENT_KERNEL
    CACHED = lib.HS_CONTAINMENT_CACHED
    WALK = lib.HS_CONTAINMENT_WALK


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a file, with the names that os.stat_result has."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_rdev: int
    st_blksize: int
    #: Of 512 bytes.
    st_blocks: int
    st_atime_ns: int
    st_mtime_ns: int
    st_ctime_ns: int

    @staticmethod
    def _read(entry: Any) -> Status:
        file, other = entry.file, entry.attributes
        return Status(
            st_mode=file.mode,
            st_ino=file.inode,
            st_dev=file.device,
            st_nlink=file.links,
            st_uid=other.uid,
            st_gid=other.gid,
            st_size=file.size,
            st_rdev=other.rdev,
            st_blksize=other.block_size,
            st_blocks=other.blocks,
            st_atime_ns=other.atime * 10**9 + other.atime_nsec,
            st_mtime_ns=other.mtime * 10**9 + other.mtime_nsec,
            st_ctime_ns=other.ctime * 10**9 + other.ctime_nsec,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an export that was looked up or created, and registered."""

    #: What a store needs to register it.
    file: File
    #: What a server tells its client, read together with `file`.
    status: Status
    registration: Registration
    #: What a client is given to name the file: signed bytes, which the gate of the export checks.
    token: bytes
    #: After `create_or_open` the open file, which the caller closes; otherwise `None`.
    fd: int | None = None
    #: `create_or_open` created the file.
    was_created: bool = False

    @property
    def node(self) -> int:
        """The node's id."""
        return self.registration.node

    @staticmethod
    def _read(c: Any) -> Entry:
        return Entry(
            file=File._read(c.file),
            status=Status._read(c),
            registration=Registration._read(c.registration),
            token=read_token(c.token),
            fd=None if c.fd < 0 else c.fd,
            was_created=bool(c.was_created),
        )


class Export(CObject):
    """A subtree that clients may reach. `Store.add_export` and `Store.open_export` make one.

    Every reference from a client passes one gate, which raises `StaleError` with `refusal` for what is
    forged, gone, or outside.
    """

    def __init__(self, store: Store, pointer: Any):
        super().__init__(pointer, lib.hs_export_free, store)
        self._store = store

    @staticmethod
    def _add(
        store: Store, name: str, roots: Sequence[Descriptor], read_only: bool, containment: int
    ) -> Export:
        export = ffi.new("hs_export **")
        numbers = [descriptor(root) for root in roots]
        layers = ffi.new("int[]", numbers)
        call(
            lib.hs_export_add,
            store._c,
            export_name(name),
            layers,
            len(numbers),
            read_only,
            containment,
            export,
        )
        return Export(store, export[0])

    @staticmethod
    def _open(store: Store, name: str) -> Export:
        export = ffi.new("hs_export **")
        call(lib.hs_export_open, store._c, export_name(name), export)
        return Export(store, export[0])

    @property
    def root(self) -> int:
        """The node of the root. Clients name it as node 1, too."""
        return int(lib.hs_export_root(self._c))

    def lookup(
        self,
        parent: Reference,
        name: Name,
        *,
        token_limit: int = TokenLimit.MAX,
        pins: Pins | None = None,
    ) -> Entry | None:
        """Looks up a name in a directory, and registers the file. Returns `None` if there is none.

        `.` is the directory itself; `..` the one above it, or the root if this is the root. `pins`
        counts one pin of the file's node.
        """
        encoded = fsencode(name)
        entry = ffi.new("hs_entry *")
        directory, _token = c_reference(parent)
        call(
            lib.hs_lookup,
            self._c,
            directory,
            encoded,
            len(encoded),
            token_limit,
            c_pins(pins),
            entry,
        )
        return Entry._read(entry) if entry.registration.node else None

    def lookup_reference(
        self,
        reference: Reference,
        *,
        token_limit: int = TokenLimit.MAX,
        pins: Pins | None = None,
    ) -> Entry:
        """Registers a file that a client names."""
        entry = ffi.new("hs_entry *")
        file, _token = c_reference(reference)
        call(lib.hs_lookup_reference, self._c, file, token_limit, c_pins(pins), entry)
        return Entry._read(entry)

    def create_or_open(
        self,
        parent: Reference,
        name: Name,
        mode: OpenMode,
        permissions: int = 0o666,
        *,
        token_limit: int = TokenLimit.MAX,
        pins: Pins | None = None,
    ) -> Entry:
        """Opens a file in a directory, and creates it if there is none; `was_created` says which.

        `permissions` are those of a new file, less the umask. The caller closes `fd`.
        """
        encoded = fsencode(name)
        entry = ffi.new("hs_entry *")
        directory, _token = c_reference(parent)
        call(
            lib.hs_create_or_open,
            self._c,
            directory,
            encoded,
            len(encoded),
            mode,
            permissions,
            token_limit,
            c_pins(pins),
            entry,
        )
        return Entry._read(entry)

    def open(self, reference: Reference, mode: OpenMode) -> int:
        """Opens a file that a client names, and returns the descriptor, which the caller closes."""
        fd = ffi.new("int *")
        file, _token = c_reference(reference)
        call(lib.hs_open_reference, self._c, file, mode, fd)
        return int(fd[0])

    def token(self, node: int, *, token_limit: int = TokenLimit.MAX) -> bytes:
        """Makes the token of a node."""
        token = ffi.new("hs_token *")
        call(lib.hs_token_of, self._c, node, token_limit, token)
        return read_token(token)


def c_pins(pins: Pins | None) -> Any:
    return ffi.NULL if pins is None else pins._c
