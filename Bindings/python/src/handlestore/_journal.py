"""The journal: what a server was about to do when it was killed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from os import fsencode
from typing import Any

from ._calls import CObject, call
from ._library import Descriptor, Name, descriptor, ffi, lib
from ._values import FileHandle


class Operation(IntEnum):
    """An operation that must not be done twice."""

    CREATE = lib.HS_INTENT_CREATE
    LINK = lib.HS_INTENT_LINK
    REMOVE = lib.HS_INTENT_REMOVE
    RENAME = lib.HS_INTENT_RENAME
    EXCHANGE = lib.HS_INTENT_EXCHANGE
    CREATE_ATTRIBUTE = lib.HS_INTENT_CREATE_ATTRIBUTE
    REMOVE_ATTRIBUTE = lib.HS_INTENT_REMOVE_ATTRIBUTE
    INSERT_RANGE = lib.HS_INTENT_INSERT_RANGE
    COLLAPSE_RANGE = lib.HS_INTENT_COLLAPSE_RANGE


@dataclass(frozen=True, slots=True)
class Intent:
    """What a server is about to do. Make one with the method that has the operation's name."""

    operation: Operation
    name: Name = b""
    new_name: Name = b""
    #: As in st_mode & S_IFMT.
    type: int = 0
    file: FileHandle | None = None
    other: FileHandle | None = None
    size: int = 0
    length: int = 0

    @staticmethod
    def create(name: Name, type: int) -> Intent:
        """Creates a file, directory, device or symbolic link; the name is free."""
        return Intent(Operation.CREATE, name, type=type)

    @staticmethod
    def link(file: FileHandle, name: Name) -> Intent:
        """Gives a file another name, which is free."""
        return Intent(Operation.LINK, name, file=file)

    @staticmethod
    def remove(file: FileHandle, name: Name) -> Intent:
        """Removes a name of a file or directory."""
        return Intent(Operation.REMOVE, name, file=file)

    @staticmethod
    def rename(file: FileHandle, name: Name, new_name: Name) -> Intent:
        """Renames a file or directory."""
        return Intent(Operation.RENAME, name, new_name, file=file)

    @staticmethod
    def exchange(file: FileHandle, name: Name, other: FileHandle, new_name: Name) -> Intent:
        """Exchanges two files."""
        return Intent(Operation.EXCHANGE, name, new_name, file=file, other=other)

    @staticmethod
    def create_attribute() -> Intent:
        """Creates an extended attribute, which the file does not have."""
        return Intent(Operation.CREATE_ATTRIBUTE)

    @staticmethod
    def remove_attribute() -> Intent:
        """Removes an extended attribute."""
        return Intent(Operation.REMOVE_ATTRIBUTE)

    @staticmethod
    def insert_range(size: int, length: int) -> Intent:
        """Inserts a range into a file, which has `size` bytes before."""
        return Intent(Operation.INSERT_RANGE, size=size, length=length)

    @staticmethod
    def collapse_range(size: int, length: int) -> Intent:
        """Removes a range from a file, which has `size` bytes before."""
        return Intent(Operation.COLLAPSE_RANGE, size=size, length=length)


class Journal(CObject):
    """The requests in progress, in a file that outlives the server (a memfd from the
    process that mounts).

    A server notes an intent before it acts, and forgets the request after the reply. After a crash the
    next server finds what was noted, and asks whether it was done.
    """

    def __init__(self, fd: Descriptor, capacity: int = 1024):
        """Opens a journal for up to `capacity` requests (1 to 1,048,576), of a KiB each.

        The descriptor may be closed afterwards.
        """
        journal = ffi.new("hs_journal **")
        call(lib.hs_journal_open, descriptor(fd), capacity, journal)
        super().__init__(journal[0], lib.hs_journal_free)

    def note(self, request: int, intent: Intent) -> None:
        """Notes an intent. `request` is not 0; in FUSE it is `unique` without bit 63."""
        c_intent, _kept = _c_intent(intent)
        call(lib.hs_journal_note, self._c, request, c_intent)

    def forget(self, request: int) -> None:
        """Forgets a request after the reply. Does nothing if none is noted."""
        call(lib.hs_journal_forget, self._c, request)

    def find(self, request: int) -> Operation | None:
        """Returns the operation that is noted for a request."""
        operation = ffi.new("uint32_t *")
        call(lib.hs_journal_find, self._c, request, operation)
        return Operation(operation[0]) if operation[0] else None

    def was_done(
        self, request: int, directory: Descriptor, new_directory: Descriptor | None = None
    ) -> bool:
        """Says whether a noted operation on names was done, judged by what the names lead to now.

        `new_directory` is that of the new name, if it is another one. `False` if nothing is noted.
        """
        done = ffi.new("int *")
        new = -1 if new_directory is None else descriptor(new_directory)
        call(lib.hs_journal_was_done, self._c, request, descriptor(directory), new, done)
        return bool(done[0])

    def attribute_was_done(self, request: int, has_attribute: bool) -> bool:
        """Says the same of an extended attribute, judged by whether the file has it now."""
        done = ffi.new("int *")
        call(lib.hs_journal_attribute_was_done, self._c, request, has_attribute, done)
        return bool(done[0])

    def range_was_done(self, request: int, size: int) -> bool:
        """Says the same of a range, judged by the size of the file now."""
        done = ffi.new("int *")
        call(lib.hs_journal_range_was_done, self._c, request, size, done)
        return bool(done[0])


def _c_intent(intent: Intent) -> tuple[Any, list[Any]]:
    """Returns an hs_intent, and what it points to and the caller must hold."""
    name, new_name = fsencode(intent.name), fsencode(intent.new_name)
    kept = [ffi.new("char[]", name), ffi.new("char[]", new_name)]
    c = ffi.new("hs_intent *", {"operation": intent.operation, "type": intent.type})
    c.name, c.name_length = kept[0], len(name)
    c.new_name, c.new_name_length = kept[1], len(new_name)
    c.size, c.length = intent.size, intent.length
    if intent.file is not None:
        kept.append(intent.file._c())
        c.file = kept[-1]
    if intent.other is not None:
        kept.append(intent.other._c())
        c.other = kept[-1]
    return c, kept
