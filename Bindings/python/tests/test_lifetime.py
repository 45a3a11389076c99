"""Objects closed in any order, threads, forks and the end of the interpreter: an error, never a crash."""

import faulthandler
import gc
import itertools
import os
import subprocess
import threading
import time
import unittest
from typing import Any, Callable
from unittest import mock

import handlestore
from handlestore import (
    Code,
    HandleStoreError,
    Journal,
    OpenFiles,
    OpenMode,
    ParkedFiles,
    Parking,
    Pins,
    Store,
    parking_sockets,
)
from support import PlaceTest, python


class Recorder:
    """The library, with a record of what was freed."""

    def __init__(self, library: Any):
        self.library = library
        self.freed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.library, name)
        if not name.endswith("_free"):
            return function

        def free(pointer: Any) -> None:
            self.freed.append(name)
            function(pointer)

        return free


class LifetimeTests(PlaceTest):
    def setUp(self) -> None:
        super().setUp()
        self.recorder = Recorder(handlestore._library.lib)
        for module in ("_store", "_export", "_pins"):
            patch = mock.patch.object(getattr(handlestore, module), "lib", self.recorder)
            patch.start()
            self.addCleanup(patch.stop)

    def objects(self) -> dict[str, Any]:
        store = Store(self.path)
        made = {"store": store, "export": store.add_export(f"{self.id()}", [self.tree])}
        made["pins"] = store.pins(self.memfd())
        store.remove_export(self.id())
        return made

    def expect_freed_in_order(self) -> None:
        self.assertCountEqual(
            self.recorder.freed, ["hs_export_free", "hs_pins_free", "hs_store_free"]
        )
        self.assertEqual(self.recorder.freed[-1], "hs_store_free")
        self.recorder.freed.clear()

    def test_the_store_is_freed_last_in_any_order(self) -> None:
        for order in itertools.permutations(["store", "export", "pins"]):
            made = self.objects()
            for name in order:
                made[name].close()
                del made[name]
            self.expect_freed_in_order()

    def test_the_store_is_freed_last_without_close(self) -> None:
        for order in itertools.permutations(["store", "export", "pins"]):
            made = self.objects()
            for name in order:
                del made[name]
            self.expect_freed_in_order()

    def test_the_store_is_freed_last_from_a_cycle(self) -> None:
        for names in itertools.permutations(["store", "export", "pins"]):
            made = self.objects()
            for one, other in zip(names, names[1:] + names[:1]):
                made[one].other = made[other]
            del made
            gc.collect()
            self.expect_freed_in_order()

    def test_closed_objects_are_errors(self) -> None:
        made = self.objects()
        made["store"].close()
        export, pins = made["export"], made["pins"]
        self.fails(Code.CLOSED, export.open, 1, OpenMode.PATH)
        self.fails(Code.CLOSED, pins.pin, 1)
        export.close()
        export.close()
        pins.close()
        self.fails(Code.CLOSED, export.lookup, 1, "x")
        self.fails(Code.CLOSED, pins.count, 1)
        with Store(self.path) as store:
            self.fails(Code.CLOSED, store.register, store.attach(self.tree), self.tree_file(), pins)
        for value in (Journal(self.memfd()), OpenFiles(self.memfd())):
            with value:
                pass
            self.fails(Code.CLOSED, value.find, 1)

    def tree_file(self) -> handlestore.File:
        return handlestore.file_of(self.tree)

    def test_an_object_that_failed_to_open(self) -> None:
        self.fails(Code.NO_STORE, lambda: Store(self.path, read_only=True))
        self.fails(Code.SYSTEM, Journal, -1)
        gc.collect()
        self.assertEqual(self.recorder.freed, [])

    def test_pins_of_another_store(self) -> None:
        made = self.objects()
        self.make("file")
        with Store(os.path.join(self.place, "other")) as other:
            filesystem = other.attach(self.tree)
            self.fails(Code.BAD_VALUE, other.register, filesystem, self.tree_file(), made["pins"])

    def test_close_while_other_threads_call(self) -> None:
        for _ in range(10):
            made = self.objects()
            export, pins, store = made["export"], made["pins"], made["store"]
            wrong: list[BaseException] = []

            def work(call: Any) -> None:
                try:
                    while True:
                        call()
                except HandleStoreError as error:
                    if error.code != Code.CLOSED:
                        wrong.append(error)

            calls = [
                lambda: os.close(export.open(1, OpenMode.PATH)),
                lambda: pins.count(1),
                lambda: store.get(export.root),
            ]
            threads = [threading.Thread(target=work, args=[call]) for call in calls]
            for thread in threads:
                thread.start()
            time.sleep(0.005)
            for value in (export, pins, store):
                value.close()
            for thread in threads:
                thread.join(10)
                self.assertFalse(thread.is_alive())
            self.assertEqual(wrong, [])
            del made, export, pins, store, calls, threads, thread, value
            gc.collect()
            self.expect_freed_in_order()


class ProcessTests(PlaceTest):
    def test_a_waiting_call_releases_the_gil(self) -> None:
        # If it holds the GIL, no thread can end the wait.
        faulthandler.dump_traceback_later(60, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)
        ours, theirs = parking_sockets()
        with ours, theirs, Parking(ours) as parking, ParkedFiles() as files:
            received: list[bool] = []
            waiting = threading.Thread(target=lambda: received.append(files.receive(theirs)))
            waiting.start()
            end, count = time.monotonic() + 0.2, 0
            while time.monotonic() < end:
                count += 1
            self.assertTrue(waiting.is_alive())
            self.assertGreater(count, 1000)
            parking.park(self.tree, 1)
            waiting.join(10)
            self.assertEqual(received, [True])

    def test_a_forked_child_gets_errors(self) -> None:
        store = Store(self.path)
        export, pins = store.add_export("exp", [self.tree]), store.pins(self.memfd())
        journal, files = Journal(self.memfd()), OpenFiles(self.memfd())
        ours, theirs = parking_sockets()
        parking, parked = Parking(ours), ParkedFiles()
        calls: dict[str, Callable[[], object]] = {
            "store": lambda: store.get(export.root),
            "list": lambda: list(store.nodes()),
            "close": store.close,
            "export": lambda: export.open(1, OpenMode.PATH),
            "pins": lambda: pins.pin(1),
            "unpin": pins.unpin_all,
            "journal": lambda: journal.find(1),
            "files": lambda: files.state(1),
            "park": lambda: parking.park(self.tree, 1),
            "parked": lambda: parked.receive(theirs),
        }
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            told = []
            for name, call in calls.items():
                try:
                    call()
                    told.append(f"{name} succeeded")
                except HandleStoreError as error:
                    if error.code != Code.FORKED:
                        told.append(f"{name}: {error}")
            os.write(writer, "; ".join(told).encode())
            export.close()
            pins.close()
            del calls, call, store, export, pins, journal, files, parking, parked
            gc.collect()
            os._exit(0)
        os.close(writer)
        with open(reader) as pipe:
            self.assertEqual(pipe.read(), "")
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        # The child took nothing from the parent.
        store.get(export.root)
        pins.unpin_all()
        journal.find(1)
        store.close()
        ours.close()
        theirs.close()

    def test_the_end_of_the_interpreter(self) -> None:
        """With objects that were not closed, in a cycle, and with a thread that is in a call."""
        script = """if True:
            import os, sys, threading, time
            from handlestore import OpenMode, ParkedFiles, Store, parking_sockets
            store = Store(sys.argv[1])
            export = store.add_export("exp", [os.open(sys.argv[2], os.O_RDONLY)])
            pins = store.pins(os.memfd_create("pins"))
            store.export, sys.export, sys.modules["kept"] = export, export, pins
            def work():
                while True:
                    os.close(export.open(1, OpenMode.PATH))
            sockets, files = parking_sockets(), ParkedFiles()
            threading.Thread(target=work, daemon=True).start()
            threading.Thread(target=lambda: files.receive(sockets[1]), daemon=True).start()
            time.sleep(0.05)
        """
        for i in range(5):
            path = f"{self.path}{i}"
            done = subprocess.run(python(script, path, self.tree_path), capture_output=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            with Store(path) as store:
                store.open_export("exp").close()

    def test_a_missing_system_library_is_named(self) -> None:
        """Without liblmdb the import says which packages are needed."""
        hide = "mount --bind /dev/null \"$(ldconfig -p | sed -n 's/.* => \\(.*liblmdb.so.0\\)$/\\1/p')\""
        command = [
            "unshare", "--mount", "--propagation", "private", "--",
            "sh", "-c", hide + ' && exec "$@"', "sh", *python("import handlestore"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ImportError: handlestore cannot load its library", done.stderr)
        self.assertIn("apt-get install liblmdb0 libsodium23", done.stderr)


if __name__ == "__main__":
    unittest.main()
