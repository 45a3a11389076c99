"""What outlives a killed server: pins, the journal, open files, parked files, watches."""

import os
import stat
import subprocess
import unittest

from handlestore import (
    Code,
    Intent,
    Journal,
    KeptFiles,
    OpenFiles,
    OpenState,
    Operation,
    ParkedFiles,
    Parking,
    Store,
    parking_sockets,
)
from support import PlaceTest, python


class PinTests(PlaceTest):
    def test_counts_outlive_the_store(self) -> None:
        self.make("file")
        memory = self.memfd()
        with Store(self.path) as store, store.pins(memory) as pins:
            node = store.register(store.attach(self.tree), self.found("file"), pins).node
            self.assertTrue(pins.pin(node, 5))
            self.assertFalse(pins.pin(node + 1000))
            self.assertEqual(pins.count(node), 6)
            self.assertEqual(pins.nodes(), [node])
        with Store(self.path) as store, store.pins(memory) as pins:
            self.assertEqual(pins.unpin(node, 2), 4)
            self.assertEqual(pins.unpin(node, 2**64 - 1), 0)
            pins.pin(node)
            pins.unpin_all()
            self.assertEqual((pins.count(node), pins.nodes()), (0, []))

    def test_many_pinned_nodes(self) -> None:
        for i in range(700):
            self.make(f"file {i}")
        with Store(self.path) as store, store.pins(self.memfd()) as pins:
            files = [self.found(f"file {i}") for i in range(700)]
            found = store.register_batch(store.attach(self.tree), files, pins)
            self.assertEqual(sorted(pins.nodes()), [registration.node for registration in found])


class JournalTests(PlaceTest):
    def test_the_next_server_finds_what_was_noted(self) -> None:
        memory = self.memfd()
        self.make("file")
        self.make("other")
        file, other = self.found("file").handle, self.found("other").handle
        with Journal(memory, capacity=16) as journal:
            journal.note(1, Intent.create("new", stat.S_IFREG))
            journal.note(2, Intent.rename(file, "file", b"\xffrenamed"))
            journal.note(3, Intent.remove(other, "other"))
            journal.note(4, Intent.remove(other, "other"))
            journal.forget(4)
        self.make("new")
        os.rename("file", b"\xffrenamed", src_dir_fd=self.tree, dst_dir_fd=self.tree)
        with Journal(memory, capacity=16) as journal:
            self.assertEqual(journal.find(1), Operation.CREATE)
            self.assertEqual(journal.find(2), Operation.RENAME)
            self.assertIsNone(journal.find(4))
            self.assertTrue(journal.was_done(1, self.tree))
            self.assertTrue(journal.was_done(2, self.tree))
            self.assertTrue(journal.was_done(2, self.tree, self.tree))
            self.assertFalse(journal.was_done(3, self.tree))
            self.assertFalse(journal.was_done(4, self.tree))
            self.fails(Code.BAD_VALUE, journal.find, 0)

    def test_every_operation(self) -> None:
        self.make("a")
        self.make("b")
        a, b = self.found("a").handle, self.found("b").handle
        intents = [
            Intent.create("new", stat.S_IFDIR),
            Intent.link(a, "new"),
            Intent.remove(a, "a"),
            Intent.rename(a, "a", "new"),
            Intent.exchange(a, "a", b, "b"),
            Intent.create_attribute(),
            Intent.remove_attribute(),
            Intent.insert_range(8192, 4096),
            Intent.collapse_range(8192, 4096),
        ]
        self.assertEqual([intent.operation for intent in intents], list(Operation))
        with Journal(self.memfd()) as journal:
            for request, intent in enumerate(intents, 1):
                journal.note(request, intent)
                self.assertEqual(journal.find(request), intent.operation)
            for request in (1, 2, 3, 4, 5):
                self.assertFalse(journal.was_done(request, self.tree), intents[request - 1])
            self.assertTrue(journal.attribute_was_done(6, True))
            self.assertFalse(journal.attribute_was_done(7, True))
            self.assertTrue(journal.range_was_done(8, 12288))
            self.assertFalse(journal.range_was_done(9, 8192))
            os.rename("a", "x", src_dir_fd=self.tree, dst_dir_fd=self.tree)
            os.rename("b", "a", src_dir_fd=self.tree, dst_dir_fd=self.tree)
            os.rename("x", "b", src_dir_fd=self.tree, dst_dir_fd=self.tree)
            self.assertTrue(journal.was_done(5, self.tree))
            self.fails(Code.BAD_VALUE, journal.note, 10, Intent(Operation.LINK, "name"))

    def test_capacity(self) -> None:
        self.fails(Code.BAD_VALUE, Journal, self.memfd(), 0)
        self.fails(Code.BAD_VALUE, Journal, self.memfd(), 2**40)
        self.assertRaises(OverflowError, Journal, self.memfd(), -1)


class OpenFilesTests(PlaceTest):
    def test_opens_outlive_the_server(self) -> None:
        memory = self.memfd()
        with OpenFiles(memory) as files:
            self.assertEqual(files.add(1, 5), 0)
            files.add(2, 5)
            files.add(3, 6)
            files.remove(3)
        with OpenFiles(memory) as files:
            self.assertEqual((files.find(1), files.find(2), files.find(3)), (5, 5, None))
            self.assertEqual(files.state(5), OpenState(is_open=True, needs_parking=True))
            self.assertEqual(files.state(6), OpenState(is_open=False, needs_parking=False))
            files.remove_all(5)
            self.assertEqual((files.find(1), files.find(2)), (None, None))


class ParkingTests(PlaceTest):
    def test_a_parked_file_outlives_its_name(self) -> None:
        self.make("file", "text")
        ours, theirs = parking_sockets()
        with ours, theirs, Store(self.path) as store, ParkedFiles() as files:
            node = self.register(store, "file").node
            fd = os.open("file", os.O_RDONLY, dir_fd=self.tree)
            with Parking(ours) as parking:
                parking.park(fd, node)
                self.assertTrue(files.receive(theirs))
                os.close(fd)
                os.unlink("file", dir_fd=self.tree)
                self.assertEqual(self.node_text(store, node), "text")
                parking.unpark(node)
                self.assertTrue(files.receive(theirs))
                self.fails(Code.STALE, self.node_text, store, node)
            ours.close()
            self.assertFalse(files.receive(theirs))


class KeptFilesTests(PlaceTest):
    def test_files_are_kept_while_they_are_pinned(self) -> None:
        self.make("file", "text")
        with Store(self.path) as store, open(os.memfd_create("pins"), "r+b") as pins_file:
            with store.pins(pins_file) as pins, KeptFiles(store, self.tree, 10) as kept:
                fd = os.open("file", os.O_PATH, dir_fd=self.tree)
                node = kept.register(fd, kept.root, pins).node
                os.close(fd)
                self.assertIn(node, kept.least_used(10))
                self.assertEqual(self.node_text(store, node), "text")
                self.assertFalse(kept.give_up(node))
                held = len(kept)
                pins.unpin(node)
                self.assertTrue(kept.give_up(node))
                self.assertEqual(len(kept), held - 1)


class WatchTests(PlaceTest):
    def test_watches_outlive_the_server_and_tell_deletions_once(self) -> None:
        names = [f"file {i}" for i in range(600)]
        for name in names:
            self.make(name)
        with Store(self.path) as store:
            filesystem = store.attach(self.tree)
            files = [self.found(name) for name in names]
            nodes = [found.node for found in store.register_batch(filesystem, files)]
            for node in nodes:
                store.watch(node, 0x200, 7)
            store.watch(nodes[0], 0x4, 8)
            for watcher in range(100, 700):
                store.watch(nodes[1], 0x4, watcher)
        os.unlink("file 3", dir_fd=self.tree)
        with Store(self.path) as store:
            store.attach_mounted()
            watched = list(store.watched())
            self.assertEqual([node for node, _ in watched], nodes)
            self.assertEqual(watched[0].mask, 0x204)
            self.assertEqual(sorted(store.watchers(nodes[0])), [(7, 0x200), (8, 0x4)])
            self.assertEqual(len(store.watchers(nodes[1])), 601)
            told, start, steps = [], 0, []
            while True:
                step = store.sweep(start, limit=100)
                told += step.nodes
                steps.append(step)
                start = step.next
                if not start:
                    break
            told += store.deletions().nodes
            self.assertEqual(told, [nodes[3]])
            self.assertEqual(sum(step.present for step in steps), 599)
            self.assertEqual(sum(step.gone for step in steps), 1)
            self.assertEqual(sum(step.skipped for step in steps), 0)
            self.assertEqual(store.deletions(), ([], False))
            self.assertTrue(store.unwatch(nodes[3], 7))
            self.assertFalse(store.unwatch(nodes[3], 7))
            self.fails(Code.BAD_VALUE, store.watch, nodes[0], 0, 7)


class KilledTests(PlaceTest):
    def test_a_killed_server_leaves_pins_and_journal(self) -> None:
        """The next server gets the memfds from the process that mounts."""
        self.make("file")
        pins_memory, journal_memory = self.memfd(), self.memfd()
        script = """if True:
            import os, signal, sys
            from handlestore import Intent, Journal, Store, file_at
            path, tree, pins, journal = sys.argv[1], *map(int, sys.argv[2:])
            store = Store(path)
            file = file_at(tree, "file")
            pins = store.pins(pins)
            print(store.register(store.attach(tree), file, pins).node, flush=True)
            Journal(journal).note(9, Intent.remove(file.handle, "file"))
            os.unlink("file", dir_fd=tree)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        fds = [self.tree, pins_memory, journal_memory]
        command = python(script, self.path, *map(str, fds))
        server = subprocess.run(command, stdout=subprocess.PIPE, pass_fds=fds)
        self.assertEqual(server.returncode, -9)
        with Store(self.path) as store, store.pins(pins_memory) as pins:
            self.assertEqual(pins.count(int(server.stdout)), 1)
        with Journal(journal_memory) as journal:
            self.assertTrue(journal.was_done(9, self.tree))


if __name__ == "__main__":
    unittest.main()
