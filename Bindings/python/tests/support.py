"""What the tests share: a place on a filesystem of their own, with a store and a tree."""

import os
import shutil
import sys
import tempfile
import unittest
from typing import Callable

from handlestore import Code, File, HandleStoreError, OpenMode, Registration, Store, file_at

# Where Bindings/python/test mounted an ext4 for the tests.
PLACE = os.environ.get("HANDLESTORE_PLACE")


class PlaceTest(unittest.TestCase):
    """A test with `self.tree`, an open directory on ext4, and `self.path`, where a store may be."""

    def setUp(self) -> None:
        if not PLACE:
            self.skipTest("opening files by handle needs root")
        self.place = tempfile.mkdtemp(dir=PLACE)
        self.addCleanup(shutil.rmtree, self.place)
        self.path = os.path.join(self.place, "store")
        self.tree_path = os.path.join(self.place, "a tree")
        os.mkdir(self.tree_path)
        self.tree = os.open(self.tree_path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, self.tree)

    def make(self, name: str | bytes, text: str = "") -> None:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=self.tree)
        with open(fd, "w") as file:
            file.write(text)

    def found(self, name: str | bytes) -> File:
        return file_at(self.tree, name)

    def register(self, store: Store, name: str | bytes) -> Registration:
        return store.register(store.attach(self.tree), self.found(name))

    def read(self, fd: int) -> str:
        with open(fd) as file:
            return file.read()

    def node_text(self, store: Store, node: int) -> str:
        return self.read(store.open(node, OpenMode.READ_ONLY))

    def fails(self, code: Code, function: Callable[..., object], *arguments: object) -> None:
        with self.assertRaises(HandleStoreError) as raised:
            function(*arguments)
        self.assertEqual(raised.exception.code, code, raised.exception.text)

    def memfd(self) -> int:
        fd = os.memfd_create("test")
        self.addCleanup(os.close, fd)
        return fd

    def reuse(self, name: str) -> None:
        """Deletes a file, and makes another one with its inode number."""
        inode = os.stat(name, dir_fd=self.tree).st_ino
        os.unlink(name, dir_fd=self.tree)
        for attempt in range(1000):
            self.make(f"{name}-{attempt}", "another")
            if os.stat(f"{name}-{attempt}", dir_fd=self.tree).st_ino == inode:
                os.rename(f"{name}-{attempt}", name, src_dir_fd=self.tree, dst_dir_fd=self.tree)
                return
        raise AssertionError("ext4 did not use the inode number again")


def python(script: str, *arguments: str) -> list[str]:
    """Returns the command that runs a script with what the tests can import."""
    return [sys.executable, "-X", "faulthandler", "-c", script, *arguments]
