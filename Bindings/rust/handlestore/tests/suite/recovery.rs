//! What outlives a killed server: the journal, the open files, and parked files.

use std::fs::{self, File};
use std::os::unix::io::AsFd;
use std::thread;

use crate::tree::{assert_fails, memfd, on_tree};
use handlestore::*;

#[test]
fn a_journal_says_what_was_done() {
    on_tree(|tree| {
        for name in ["file", "other"] {
            tree.write(name, name);
        }
        fs::create_dir(tree.file("to")).unwrap();
        let (root, to) = (tree.directory(""), tree.directory("to"));
        let file = FoundFile::at(&root, "file", None).unwrap().handle();
        let other = FoundFile::at(&root, "other", None).unwrap().handle();
        let name = |text: &'static str| std::ffi::OsStr::new(text);
        let intents = [
            Intent::Create { file_type: 0o100000, name: name("new") },
            Intent::Link { file: &file, name: name("link") },
            Intent::Remove { file: &file, name: name("link") },
            Intent::Rename { file: &file, name: name("file"), new_name: name("renamed") },
            Intent::Exchange {
                file: &file,
                name: name("file"),
                other: &other,
                new_name: name("other"),
            },
            Intent::CreateAttribute,
            Intent::RemoveAttribute,
            Intent::InsertRange { size: 100, length: 50 },
            Intent::CollapseRange { size: 100, length: 50 },
        ];
        let operations = [
            Operation::Create,
            Operation::Link,
            Operation::Remove,
            Operation::Rename,
            Operation::Exchange,
            Operation::CreateAttribute,
            Operation::RemoveAttribute,
            Operation::InsertRange,
            Operation::CollapseRange,
        ];
        let memory = memfd();
        let journal = Journal::open(&memory, 16).unwrap();
        for (request, intent) in (1..).zip(&intents) {
            journal.note(request, intent).unwrap();
        }
        drop(journal);

        let journal = Journal::open(&memory, 16).unwrap();
        for (request, operation) in (1..).zip(operations) {
            assert_eq!(journal.find(request).unwrap(), Some(operation));
        }
        assert_eq!(journal.find(77).unwrap(), None);
        let done = |request| journal.was_done(request, &root, None).unwrap();
        assert!(!done(1) && !done(2) && !done(4) && !done(5) && !done(77));
        tree.write("new", "");
        fs::hard_link(tree.file("file"), tree.file("link")).unwrap();
        assert!(done(1) && done(2) && !done(3));
        fs::remove_file(tree.file("link")).unwrap();
        assert!(done(3));
        fs::rename(tree.file("file"), tree.file("to/renamed")).unwrap();
        assert!(!done(4));
        assert!(journal.was_done(4, &root, Some(to.as_fd())).unwrap());
        assert!(!journal.attribute_was_done(6, false).unwrap());
        assert!(journal.attribute_was_done(6, true).unwrap());
        assert!(journal.attribute_was_done(7, false).unwrap());
        assert!(!journal.range_was_done(8, 100).unwrap());
        assert!(journal.range_was_done(8, 150).unwrap());
        assert!(journal.range_was_done(9, 50).unwrap());
        journal.forget(1).unwrap();
        assert!(!done(1));

        assert_fails(journal.note(0, &intents[0]), Code::BadValue);
        assert_fails(
            journal.note(1, &Intent::Create { file_type: 0o100_000, name: name("") }),
            Code::BadValue,
        );
        assert_fails(journal.forget(0), Code::BadValue);
        assert_fails(Journal::open(&memory, 0), Code::BadValue);
        assert_fails(Journal::open(&memory, usize::MAX), Code::BadValue);
        assert_fails(Journal::open(&root, 8), Code::System);
    });
}

#[test]
fn an_exchange_is_seen_to_be_done() {
    on_tree(|tree| {
        for name in ["a", "b"] {
            tree.write(name, name);
        }
        let root = tree.directory("");
        let file = FoundFile::at(&root, "a", None).unwrap().handle();
        let other = FoundFile::at(&root, "b", None).unwrap().handle();
        let journal = Journal::open(memfd(), 1).unwrap();
        let (name, new_name) = ("a".as_ref(), "b".as_ref());
        journal.note(1, &Intent::Exchange { file: &file, name, other: &other, new_name }).unwrap();
        assert!(!journal.was_done(1, &root, None).unwrap());
        for (from, to) in [("a", "c"), ("b", "a"), ("c", "b")] {
            fs::rename(tree.file(from), tree.file(to)).unwrap();
        }
        assert!(journal.was_done(1, &root, Some(root.as_fd())).unwrap());
    });
}

#[test]
fn open_files_are_found_again() {
    let memory = memfd();
    let files = OpenFiles::open(&memory, None).unwrap();
    assert_eq!(files.add(10, NodeId(5), None).unwrap(), None);
    assert_fails(files.add(0, NodeId(5), None), Code::BadValue);
    drop(files);

    // The kernel keeps nothing through what is not /dev/fuse.
    let fuse = File::open("/dev/null").unwrap();
    let files = OpenFiles::open(&memory, Some(fuse.into())).unwrap();
    assert_eq!(files.add(11, NodeId(6), Some(memory.as_fd())).unwrap(), None);
    assert_eq!(files.find(10).unwrap(), Some(NodeId(5)));
    assert_eq!(files.find(12).unwrap(), None);
    assert!(files.is_open(NodeId(5)).unwrap() && files.needs_parking(NodeId(5)).unwrap());
    files.remove(10).unwrap();
    files.remove(10).unwrap();
    assert!(!files.is_open(NodeId(5)).unwrap() && !files.needs_parking(NodeId(5)).unwrap());
    assert!(files.is_open(NodeId(6)).unwrap());
    files.add(12, NodeId(6), None).unwrap();
    files.remove_all(NodeId(6)).unwrap();
    assert!(!files.is_open(NodeId(6)).unwrap());
    assert_eq!(files.find(11).unwrap(), None);
}

#[test]
fn a_parked_file_outlives_its_last_name() {
    on_tree(|tree| {
        tree.write("file", "");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let node = tree.register(&store, on, "file").node;
        let (mine, its) = Parking::sockets().unwrap();
        let parking = Parking::new(mine).unwrap();
        parking.park(File::open(tree.file("file")).unwrap(), node).unwrap();
        fs::remove_file(tree.file("file")).unwrap();

        // The supervisor receives until the server's side is closed.
        let files = ParkedFiles::new().unwrap();
        assert!(files.receive(&its).unwrap());
        assert!(store.open_node(node, OpenMode::Path).is_ok());
        thread::scope(|scope| {
            let supervisor = scope.spawn(|| {
                assert!(files.receive(&its).unwrap());
                files.receive(&its).unwrap()
            });
            parking.unpark(node).unwrap();
            drop(parking);
            assert!(!supervisor.join().unwrap());
        });
        assert_fails(store.open_node(node, OpenMode::Path), Code::Stale);

        let (mine, its) = Parking::sockets().unwrap();
        let parking = Parking::new(mine).unwrap();
        drop(its);
        let error = assert_fails(parking.park(tree.directory(""), node), Code::System);
        assert_eq!(error.errno(), 32);
        assert_fails(files.receive(tree.directory("")), Code::System);
    });
}
