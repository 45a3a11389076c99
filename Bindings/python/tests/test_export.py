import errno
import os
import unittest
from dataclasses import fields
from typing import Callable

from handlestore import (
    Code,
    Containment,
    Export,
    OpenMode,
    Outcome,
    Refusal,
    StaleError,
    Store,
    TokenLimit,
)
from support import PlaceTest


class ExportTests(PlaceTest):
    def setUp(self) -> None:
        super().setUp()
        os.mkdir("inside", dir_fd=self.tree)
        self.make("inside/file", "inside")
        self.make("outside", "secret")
        self.root = os.open("inside", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.tree)
        self.addCleanup(os.close, self.root)

    def text(self, export: Export, reference: int | bytes | tuple[int, bytes]) -> str:
        return self.read(export.open(reference, OpenMode.READ_ONLY))

    def refuses(
        self, refusal: Refusal, function: Callable[..., object], *arguments: object
    ) -> None:
        with self.assertRaises(StaleError) as raised:
            function(*arguments)
        error = raised.exception
        self.assertEqual((error.code, error.refusal), (Code.REFUSED, refusal), error.text)
        self.assertEqual(error.errno, errno.ESTALE)

    def test_tokens_survive_a_restart(self) -> None:
        with Store(self.path) as store, store.add_export("exp", [self.root]) as export:
            entry = export.lookup(1, "file", token_limit=TokenLimit.NFS3)
            assert entry is not None
            self.assertEqual((entry.fd, entry.was_created), (None, False))
            self.assertEqual(entry.registration.outcome, Outcome.CREATED)
            self.assertEqual(entry.file.size, 6)
            self.assertLessEqual(len(entry.token), 64)
            self.assertIsNone(export.lookup(1, "missing"))
        os.rename("inside/file", "inside/renamed", src_dir_fd=self.tree, dst_dir_fd=self.tree)
        with Store(self.path) as store, store.open_export("exp") as export:
            self.assertEqual(self.text(export, entry.token), "inside")
            self.assertEqual(self.text(export, entry.node), "inside")
            self.assertEqual(self.text(export, (entry.node + 1000, entry.token)), "inside")
            again = export.lookup_reference(entry.token, token_limit=TokenLimit.NFS3)
            self.assertEqual((again.node, again.token), (entry.node, entry.token))
            self.assertEqual(export.token(entry.node, token_limit=TokenLimit.NFS3), entry.token)
            self.assertEqual(len(export.token(entry.node, token_limit=TokenLimit.REFERENCE)), 32)
            top = export.lookup(1, "..")
            assert top is not None
            self.assertEqual(top.node, export.root)

    def test_what_is_forged_gone_or_outside_is_refused(self) -> None:
        with Store(self.path) as store, store.add_export("exp", [self.root]) as export:
            entry = export.lookup(export.root, "file")
            assert entry is not None
            token = entry.token
            for i in (0, 5, len(token) - 1):
                forged = token[:i] + bytes([token[i] ^ 1]) + token[i + 1 :]
                with self.assertRaises(StaleError) as raised:
                    export.open(forged, OpenMode.PATH)
                self.assertEqual(raised.exception.code, Code.REFUSED)
            self.refuses(Refusal.SIGNATURE, export.open, forged, OpenMode.PATH)
            for length in (0, 3, 129, 100_000):
                self.refuses(Refusal.LENGTH, export.open, bytes(length), OpenMode.PATH)
            outside = self.register(store, "outside").node
            self.refuses(Refusal.OUTSIDE, export.open, outside, OpenMode.PATH)
            self.refuses(Refusal.UNKNOWN_NODE, export.open, 10**6, OpenMode.PATH)
            self.fails(Code.BAD_NAME, export.lookup, 1, "../outside")
            os.rename("inside/file", "moved", src_dir_fd=self.tree, dst_dir_fd=self.tree)
            self.refuses(Refusal.OUTSIDE, export.open, token, OpenMode.PATH)
            os.unlink("moved", dir_fd=self.tree)
            self.refuses(Refusal.STALE, export.open, token, OpenMode.PATH)
            self.assertEqual(store.statistics().refused[Refusal.OUTSIDE], 2)
            self.assertEqual(store.statistics().refused[Refusal.STALE], 1)

    def test_create_or_open(self) -> None:
        with Store(self.path) as store, store.add_export("exp", [self.root]) as export:
            with store.pins(self.memfd()) as pins:
                umask = os.umask(0)
                try:
                    made = export.create_or_open(1, b"\xff", OpenMode.READ_WRITE, 0o640, pins=pins)
                finally:
                    os.umask(umask)
                assert made.fd is not None
                os.write(made.fd, b"text")
                os.close(made.fd)
                self.assertTrue(made.was_created)
                again = export.create_or_open(1, b"\xff", OpenMode.READ_ONLY, pins=pins)
                assert again.fd is not None
                self.assertEqual(self.read(again.fd), "text")
                self.assertEqual((again.was_created, again.node), (False, made.node))
                self.assertEqual(again.file.mode & 0o7777, 0o640)
                self.assertEqual(pins.count(made.node), 2)

    def test_the_status_is_that_of_stat(self) -> None:
        os.chown("inside/file", 5, 6, dir_fd=self.tree)
        os.mknod("inside/device", 0o20600, os.makedev(1, 7), dir_fd=self.tree)
        os.utime("inside/file", ns=(-(10**9) - 5, 10**18 + 2), dir_fd=self.tree)
        with Store(self.path) as store, store.add_export("exp", [self.root]) as export:
            for name in ("file", "device"):
                entry, bare = export.lookup(1, name), os.stat(f"inside/{name}", dir_fd=self.tree)
                assert entry is not None
                for field in fields(entry.status):
                    expected = getattr(bare, field.name)
                    self.assertEqual(getattr(entry.status, field.name), expected, field.name)

    def test_layers_and_names(self) -> None:
        # Each layer is on a filesystem of its own.
        upper = os.open("/dev/shm", os.O_RDONLY)
        with Store(self.path) as store:
            store.add_export("ümlaut", [upper, self.root], containment=Containment.WALK).close()
            self.fails(Code.BAD_EXPORT, store.add_export, "ümlaut", [self.root])
            self.fails(Code.BAD_VALUE, store.add_export, "none", [])
            self.fails(Code.BAD_VALUE, store.add_export, "\udcff", [self.root])
            self.assertRaises(ValueError, store.open_export, "a\0b")
            store.open_export("ümlaut").close()
            store.remove_export("ümlaut")
            self.fails(Code.NO_EXPORT, store.open_export, "ümlaut")
        os.close(upper)

    def test_a_read_only_export(self) -> None:
        with Store(self.path) as store:
            with store.add_export("exp", [self.root], read_only=True) as export:
                entry = export.lookup(1, "file")
                assert entry is not None
                self.assertEqual(self.text(export, entry.node), "inside")
                self.fails(Code.READ_ONLY_EXPORT, export.open, entry.node, OpenMode.READ_WRITE)


if __name__ == "__main__":
    unittest.main()
