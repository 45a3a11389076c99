import errno
import os
import pickle
import signal
import stat
import subprocess
import threading
import unittest
from dataclasses import replace

from handlestore import (
    Code,
    Durability,
    FileHandle,
    HandleStoreError,
    OpenMode,
    Outcome,
    StaleError,
    State,
    Store,
    check,
    file_at,
    file_of,
)
from support import PlaceTest, python


class StoreTests(PlaceTest):
    def test_ids_survive_reopening_and_renames(self) -> None:
        names: list[str | bytes] = ["plain", "with blanks", "ümlaut", b"not \xff\xfe UTF-8"]
        with Store(self.path) as store:
            generation = store.generation
            for name in names:
                self.make(name, ascii(name))
            nodes = [self.register(store, name).node for name in names]
        self.assertEqual(len(set(nodes)), len(names))
        os.rename("plain", "renamed", src_dir_fd=self.tree, dst_dir_fd=self.tree)
        with Store(self.path, durability=Durability.POWER) as store:
            self.assertEqual(store.generation, generation)
            self.assertEqual(store.attach_mounted(), [1])
            self.assertEqual(self.node_text(store, nodes[0]), "'plain'")
            again = [self.register(store, name) for name in ["renamed", *names[1:]]]
            self.assertEqual([found.node for found in again], nodes)
            self.assertEqual({found.outcome for found in again}, {Outcome.EXISTING})
            self.assertEqual({found.generation for found in again}, {generation})

    def test_kill_loses_nothing(self) -> None:
        script = """if True:
            import os, sys
            from handlestore import Store, file_at
            store = Store(sys.argv[1])
            tree = os.open(sys.argv[2], os.O_RDONLY)
            filesystem = store.attach(tree)
            for i in range(10**9):
                name = f"file {i}"
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=tree))
                print(name, store.register(filesystem, file_at(tree, name)).node, flush=True)
        """
        command = python(script, self.path, self.tree_path)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(500)]
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        acknowledged = [line.rsplit(" ", 1) for line in told if line.endswith("\n")]
        with Store(self.path) as store:
            for name, node in acknowledged:
                found = self.register(store, name)
                self.assertEqual((found.node, found.outcome), (int(node), Outcome.EXISTING))

    def test_reuse_is_seen(self) -> None:
        with Store(self.path) as store:
            self.make("file", "first")
            first = self.register(store, "file").node
            self.reuse("file")
            second = self.register(store, "file")
            self.assertEqual((second.outcome, second.replaced), (Outcome.REPLACED, first))
            self.assertNotEqual(second.node, first)
            self.assertEqual(store.get(first).state, State.STALE)
            with self.assertRaises(StaleError) as raised:
                store.open(first, OpenMode.PATH)
            self.assertEqual((raised.exception.code, raised.exception.errno), (Code.STALE, errno.ESTALE))
            self.assertEqual(self.node_text(store, second.node), "another")

    def test_a_batch(self) -> None:
        with Store(self.path) as store:
            filesystem = store.attach(self.tree)
            for i in range(1200):
                self.make(f"file {i}")
            files = [self.found(f"file {i}") for i in range(1200)]
            first = store.register_batch(filesystem, files)
            self.assertEqual(store.register_batch(filesystem, []), [])
            os.unlink("file 7", dir_fd=self.tree)
            # A list of more than one page, and of one state.
            listed = list(store.nodes(filesystem=filesystem))
            self.assertEqual([node.id for node in listed], [found.node for found in first])
            self.assertEqual([node.handle for node in listed], [file.handle for file in files])
            self.assertTrue(store.retire(first[7].node))
            self.assertFalse(store.retire(first[7].node))
            stale = list(store.nodes(state=State.STALE))
            self.assertEqual([node.id for node in stale], [first[7].node])
            self.assertEqual(len(list(store.nodes(state=State.LIVE))), 1199)
            self.assertEqual(next(store.nodes(start=first[9].node)).id, first[9].node)
            self.assertEqual(list(store.nodes(filesystem=99)), [])

    def test_files_and_nodes(self) -> None:
        self.make("file", "12345")
        status = os.stat("file", dir_fd=self.tree)
        with Store(self.path) as store:
            filesystem = store.attach(self.tree)
            top = store.register(filesystem, file_of(self.tree)).node
            file = file_at(self.tree, "file", parent=top)
            self.assertEqual((file.inode, file.size, file.links), (status.st_ino, 5, 1))
            self.assertEqual((file.mode, file.device), (status.st_mode, status.st_dev))
            fd = os.open("file", os.O_PATH, dir_fd=self.tree)
            self.assertEqual(file_of(fd, top), file)
            os.close(fd)
            node = store.get(store.register(filesystem, file).node)
            self.assertEqual((node.parent, node.filesystem, node.state), (top, filesystem, State.LIVE))
            self.assertEqual((node.type, node.handle), (stat.S_IFREG, file.handle))
            self.assertEqual(store.find(filesystem, file.handle), node)
            other = FileHandle(file.handle.type, bytes(len(file.handle.bytes)))
            self.assertIsNone(store.find(filesystem, other))
            store.detach(filesystem)
            self.fails(Code.NOT_ATTACHED, store.open, node.id, OpenMode.PATH)

    def test_moves_and_copies(self) -> None:
        self.make("file")
        self.make("copy")
        os.mkdir("folder", dir_fd=self.tree)
        with Store(self.path) as store:
            filesystem = store.attach(self.tree)
            node = self.register(store, "file").node
            folder = self.register(store, "folder").node
            self.assertEqual(store.record_move(filesystem, self.found("file"), folder), node)
            self.assertIsNone(store.record_move(filesystem, self.found("copy"), folder))
            self.assertEqual(store.copy_up(node, filesystem, self.found("copy")).node, node)
            self.assertEqual(self.register(store, "copy").node, node)
            self.fails(Code.BAD_VALUE, store.copy_up, node, filesystem, self.found("folder"))

    def test_retention(self) -> None:
        for i in range(4):
            self.make(f"file {i}")
        with self.assertRaises(ValueError):
            Store(self.path, retain_nodes=1, retain_seconds=1)
        with Store(self.path, retain_nodes=1) as store, store.pins(self.memfd()) as pins:
            filesystem = store.attach(self.tree)
            nodes = [
                store.register(filesystem, self.found(f"file {i}"), pins).node for i in range(4)
            ]
            self.assertFalse(store.forget(nodes[0]))
            self.assertEqual(pins.unpin(nodes[0]), 0)
            self.assertTrue(store.forget(nodes[0]))
            self.fails(Code.UNKNOWN_NODE, store.get, nodes[0])
            pins.unpin_all()
            self.assertEqual(store.evict(), 2)
            self.assertEqual(len(list(store.nodes())), 1)

    def test_errors(self) -> None:
        with self.assertRaises(HandleStoreError) as raised:
            Store(self.path, read_only=True)
        error = raised.exception
        self.assertEqual((error.code, error.errno), (Code.NO_STORE, errno.ENOENT))
        self.assertEqual((error.strerror, error.refusal), (error.text, None))
        self.assertIn(self.path, error.text)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((again.code, again.errno, again.text), (error.code, error.errno, error.text))
        with self.assertRaises(OSError) as missing:
            file_at(self.tree, "missing")
        self.assertEqual(missing.exception.errno, errno.ENOENT)
        self.fails(Code.BAD_NAME, file_at, self.tree, "a/b")
        self.fails(Code.BAD_VALUE, file_at, self.tree, "")
        self.fails(Code.BAD_NAME, file_at, self.tree, "a\0b")
        self.fails(Code.SYSTEM, file_at, self.tree, "x" * 256)
        with Store(self.path) as store:
            self.fails(Code.ALREADY_OPEN, Store, self.path)
            self.fails(Code.UNKNOWN_NODE, store.get, 2**64 - 1)
            self.fails(Code.BAD_VALUE, store.open, 1, 99)
            self.fails(Code.SYSTEM, store.attach, -1)
        self.fails(Code.CLOSED, store.get, 1)
        store.close()
        for code in Code:
            self.assertTrue(code.summary)

    def test_rubbish(self) -> None:
        self.make("file")
        with Store(self.path) as store:
            filesystem, file = store.attach(self.tree), self.found("file")
            for node in (-1, 2**64):
                self.assertRaises(OverflowError, store.get, node)
            self.assertRaises(OverflowError, store.open, 1, 2**31)
            self.assertRaises(TypeError, store.get, "1")
            self.assertRaises(TypeError, store.get, 1.5)
            self.assertRaises(TypeError, store.get, None)
            self.assertRaises(AttributeError, store.attach, "not a descriptor")
            self.assertRaises(ValueError, Store, self.path + "\0")
            self.assertRaises(ValueError, store.backup, "a\0b")
            for length in (0, 129, 100_000):
                rubbish = replace(file, handle=FileHandle(1, bytes(length)))
                self.fails(Code.BAD_VALUE, store.register, filesystem, rubbish)
            self.assertRaises(OverflowError, store.register, filesystem, replace(file, inode=-1))
            self.fails(Code.UNKNOWN_FILESYSTEM, store.register, 77, file)
            self.fails(Code.BAD_VALUE, store.register_batch, filesystem, [file] * 65537)

    def test_a_path_that_is_not_utf_8(self) -> None:
        path = os.fsencode(self.place) + b"/a store \xff\n"
        self.make("file", "text")
        with Store(path) as store:
            node = self.register(store, "file").node
        self.assertTrue(os.path.exists(path + b"/data.mdb"))
        with Store(os.fsdecode(path)) as store:
            self.assertEqual(store.get(node).id, node)
            with self.assertRaises(HandleStoreError) as raised:
                Store(path)
        self.assertIn(self.place, raised.exception.text)
        self.assertEqual(check(path).findings, 0)

    def test_one_writer_and_readers(self) -> None:
        with Store(self.path) as store:
            self.make("file")
            node = self.register(store, "file").node
            script = """if True:
                import sys
                from handlestore import Code, HandleStoreError, Store
                try:
                    Store(sys.argv[1])
                except HandleStoreError as error:
                    print(error.code.name)
                with Store(sys.argv[1], read_only=True) as store:
                    print(store.get(int(sys.argv[2])).id)
                    try:
                        store.retire(int(sys.argv[2]))
                    except HandleStoreError as error:
                        print(error.code.name)
            """
            told = subprocess.check_output(python(script, self.path, str(node)), text=True)
            self.assertEqual(told.split(), ["IN_USE", str(node), "READ_ONLY_STORE"])

    def test_threads(self) -> None:
        for i in range(100):
            self.make(f"file {i}")
        results: list[list[int]] = []
        with Store(self.path) as store:
            filesystem = store.attach(self.tree)

            def work() -> None:
                files = [self.found(f"file {i}") for i in range(100)]
                results.append([store.register(filesystem, file).node for file in files])

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(results), 8)
            self.assertTrue(all(result == results[0] for result in results))
            self.assertEqual(store.statistics().created, 100)

    def test_maintenance(self) -> None:
        self.make("file")
        copy = os.path.join(self.place, "copy")
        with Store(self.path) as store:
            node = self.register(store, "file").node
            self.register(store, "file")
            gets = store.statistics().gets
            store.get(node)
            statistics = store.statistics()
            self.assertEqual((statistics.created, statistics.existing), (1, 1))
            self.assertEqual(statistics.gets, gets + 1)
            self.assertEqual(set(statistics.refused.values()), {0})
            store.backup(copy)
            self.fails(Code.SYSTEM, store.backup, self.tree_path + "/..")
        with Store(copy) as store:
            self.assertEqual(store.get(node).id, node)
        self.assertEqual(check(self.path).findings, 0)
        with open(os.path.join(self.path, "data.mdb"), "r+b") as file:
            file.seek(3 * 4096)
            file.write(b"rubbish" * 300)
        result = check(self.path)
        self.assertGreater(result.findings, 0)
        self.assertIn("page", result.text)

    def test_in_memory(self) -> None:
        self.make("file", "text")
        with Store.in_memory() as store:
            self.assertEqual(self.node_text(store, self.register(store, "file").node), "text")

    def test_descriptors_are_not_inherited(self) -> None:
        self.make("file")
        with Store(self.path) as store:
            fd = store.open(self.register(store, "file").node, OpenMode.READ_ONLY)
            self.assertFalse(os.get_inheritable(fd))
            os.close(fd)


if __name__ == "__main__":
    unittest.main()
