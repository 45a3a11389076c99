"""HandleStore: node ids for FUSE, virtiofs and userspace NFS servers that survive the server.

    with Store("/var/lib/nodes") as store:
        filesystem = store.attach(directory)
        node = store.register(filesystem, file_at(directory, "name")).node
        fd = store.open(node, OpenMode.READ_ONLY)

A call that fails raises `HandleStoreError`, an `OSError` with `errno`, `code` and `refusal`. A number
that does not fit its C type raises `OverflowError`. Descriptors that a call returns are closed by the
caller; those that it is given stay the caller's.
"""

from ._errors import Code, HandleStoreError, Refusal, StaleError
from ._export import Containment, Entry, Export, Status
from ._journal import Intent, Journal, Operation
from ._kept_files import KeptFiles
from ._library import Descriptor, Name
from ._maintenance import CheckResult, Statistics, check, library_version
from ._open_files import OpenFiles, OpenState
from ._parking import ParkedFiles, Parking, parking_sockets
from ._pins import Pins
from ._store import Durability, Store
from ._values import (
    File,
    FileHandle,
    Node,
    OpenMode,
    Outcome,
    Reference,
    Registration,
    State,
    TokenLimit,
    file_at,
    file_of,
)
from ._watches import Deletions, SweepStep, Watched, Watcher

__all__ = [
    "CheckResult",
    "Code",
    "Containment",
    "Deletions",
    "Descriptor",
    "Durability",
    "Entry",
    "Export",
    "File",
    "FileHandle",
    "HandleStoreError",
    "Intent",
    "Journal",
    "KeptFiles",
    "Name",
    "Node",
    "OpenFiles",
    "OpenMode",
    "OpenState",
    "Operation",
    "Outcome",
    "ParkedFiles",
    "Parking",
    "Pins",
    "Reference",
    "Refusal",
    "Registration",
    "StaleError",
    "State",
    "Statistics",
    "Status",
    "Store",
    "SweepStep",
    "TokenLimit",
    "Watched",
    "Watcher",
    "check",
    "file_at",
    "file_of",
    "library_version",
    "parking_sockets",
]
