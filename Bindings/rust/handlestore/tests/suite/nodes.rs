//! Stores and nodes: ids, reuse, batches, lists, options, errors.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::io::AsRawFd;

use crate::tree::{assert_fails, assert_replaced, memfd, on_tree, ESTALE};
use handlestore::*;

#[test]
fn ids_survive_reopening() {
    on_tree(|tree| {
        tree.write("file", "contents");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let first = tree.register(&store, on, "file");
        assert_eq!(first.outcome, Outcome::Created);
        let generation = store.generation();
        assert_eq!(first.generation, generation);
        drop(store);

        fs::rename(tree.file("file"), tree.file("renamed")).unwrap();
        let store = tree.store();
        assert_fails(store.open_node(first.node, OpenMode::Path), Code::NotAttached);
        assert_eq!(store.attach_mounted().unwrap(), [on]);
        let mut text = String::new();
        let fd = store.open_node(first.node, OpenMode::ReadOnly).unwrap();
        File::from(fd).read_to_string(&mut text).unwrap();
        assert_eq!(text, "contents");
        assert_eq!(store.generation(), generation);
        assert_eq!(
            tree.register(&store, on, "renamed"),
            Registration { outcome: Outcome::Existing, ..first }
        );
    });
}

#[test]
fn a_node_says_what_its_file_is() {
    on_tree(|tree| {
        tree.write("file", "contents");
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let top = store.register(on, &FoundFile::of(&root, None).unwrap(), None).unwrap().node;
        let file = FoundFile::at(&root, "file", Some(top)).unwrap();
        let metadata = fs::metadata(tree.file("file")).unwrap();
        assert_eq!(file.parent(), Some(top));
        let status = file.status();
        assert_eq!((status.inode, status.size), (metadata.ino(), 8));
        assert_eq!((status.mode, status.links), (metadata.mode(), 1));
        assert_eq!(status.device, metadata.dev());

        // As of a server that has read handle and status itself.
        let handle = FileHandle::new(file.handle().handle_type(), file.handle().bytes()).unwrap();
        let again = FoundFile::new(handle, status, Some(top));
        let node = store.register(on, &again, None).unwrap().node;
        let found = store.get(node).unwrap();
        assert_eq!(found.id, node);
        assert_eq!(found.parent, Some(top));
        assert_eq!((found.filesystem, found.state), (on, State::Live));
        assert_eq!(found.file_type, 0o100000);
        assert!(found.since > 1_600_000_000);
        assert_eq!(found.handle, file.handle());
        assert_eq!(store.find(on, &handle).unwrap(), Some(found));
        let other = FileHandle::new(handle.handle_type(), &[7; 8]).unwrap();
        assert_eq!(store.find(on, &other).unwrap(), None);
        assert_eq!(
            FoundFile::of(store.open_node(node, OpenMode::Path).unwrap(), None).unwrap().handle(),
            handle
        );
        store.detach(on).unwrap();
        assert_fails(store.open_node(node, OpenMode::Path), Code::NotAttached);
    });
}

#[test]
fn a_file_is_opened_as_wanted() {
    on_tree(|tree| {
        tree.write("file", "");
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let export = store.add_export("all", &[&root], false, Containment::Any).unwrap();
        let node = tree.register(&store, on, "file").node;
        let modes = [
            (OpenMode::Path, 0o10000000),
            (OpenMode::ReadOnly, 0),
            (OpenMode::WriteOnly, 1),
            (OpenMode::ReadWrite, 2),
        ];
        for (mode, flags) in modes {
            for fd in [store.open_node(node, mode).unwrap(), export.open(node, mode).unwrap()] {
                let info = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
                let info = fs::read_to_string(info).unwrap();
                let line = info.lines().find_map(|line| line.strip_prefix("flags:\t")).unwrap();
                let found = u32::from_str_radix(line, 8).unwrap();
                // O_CLOEXEC, and O_PATH or the access mode.
                assert_eq!(found & 0o12000003, flags | 0o2000000, "{mode:?}");
            }
        }
    });
}

#[test]
fn reuse_of_an_inode_number_is_seen() {
    on_tree(|tree| {
        tree.write("file", "contents");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let old = tree.register(&store, on, "file").node;
        let handle = store.get(old).unwrap().handle;
        let inode = fs::metadata(tree.file("file")).unwrap().ino();
        let before = FoundFile::at(tree.directory(""), "file", None).unwrap();
        let (new, name) = tree.reuse(&store, on, "file");
        assert_eq!(fs::metadata(tree.file(&name)).unwrap().ino(), inode);
        assert_ne!(old, new);
        assert_eq!(store.get(old).unwrap().state, State::Stale);
        assert_eq!(store.statistics().unwrap().replaced, 1);
        assert_ne!(store.get(new).unwrap().handle, handle);
        let error = assert_fails(store.open_node(old, OpenMode::Path), Code::Stale);
        assert_eq!(error.errno(), ESTALE);

        // The handle of the file that is gone harms nothing, alone or in a batch.
        let now = FoundFile::at(tree.directory(""), &name, None).unwrap();
        assert_fails(store.register(on, &before, None), Code::StaleHandle);
        let batch = store.register_batch(on, &[now, before], None).unwrap();
        assert_eq!(batch[0].unwrap().node, new);
        assert_eq!(batch[1], None);
    });
}

#[test]
fn a_registration_says_which_node_it_replaced() {
    on_tree(|tree| {
        tree.write("file", "contents");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let old = tree.register(&store, on, "file").node;
        let other = Store::open_in_memory().unwrap();
        let on_other = other.attach(tree.directory("")).unwrap();
        let (_, name) = tree.reuse(&other, on_other, "file");
        assert_replaced(tree.register(&store, on, &name), old);
        assert!(!store.retire(old).unwrap());
    });
}

#[test]
fn a_batch_is_registered() {
    on_tree(|tree| {
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let names: Vec<_> = (0..3000).map(|i| format!("file {i}")).collect();
        for name in &names {
            tree.write(name, "");
        }
        let files: Vec<_> =
            names.iter().map(|name| FoundFile::at(&root, name, None).unwrap()).collect();
        let nodes: Vec<_> = store.register_batch(on, &files, None).unwrap();
        assert_eq!(nodes.len(), files.len());
        for (file, node) in files.iter().zip(&nodes) {
            assert_eq!(store.get(node.unwrap().node).unwrap().handle, file.handle());
        }
        assert_eq!(store.register_batch(on, &[], None).unwrap(), []);
        let too_many = vec![files[0]; 65_537];
        assert_fails(store.register_batch(on, &too_many, None), Code::BadValue);

        // Longer than a page.
        let mut ids: Vec<_> = nodes.iter().map(|node| node.unwrap().node).collect();
        ids.sort_by_key(|id| id.0);
        let listed = |start, on, state| -> Vec<NodeId> {
            store.nodes(start, on, state).map(|node| node.unwrap().id).collect()
        };
        assert_eq!(listed(NodeId(0), None, None), ids);
        assert_eq!(listed(ids[1500], Some(on), Some(State::Live)), ids[1500..]);
        assert!(store.retire(ids[7]).unwrap());
        assert_eq!(listed(NodeId(0), None, Some(State::Stale)), [ids[7]]);
        assert_eq!(listed(NodeId(u64::MAX), None, None), []);
        store.close().unwrap();
        let mut after = store.nodes(NodeId(0), None, None);
        assert_fails(after.next().unwrap(), Code::Closed);
        assert!(after.next().is_none());
    });
}

#[test]
fn retention_and_pins_say_what_is_dropped() {
    on_tree(|tree| {
        for name in ["a", "b", "c"] {
            tree.write(name, "");
        }
        let mut options = StoreOptions::new();
        options.retention(Retention::Nodes(0)).cache_size(4).durability(Durability::Power);
        let store = options.open(tree.path("store")).unwrap();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let memory = memfd();
        let pins = store.pins(&memory).unwrap();
        let a = FoundFile::at(&root, "a", None).unwrap();
        let pinned = store.register(on, &a, Some(&pins)).unwrap().node;
        let loose = tree.register(&store, on, "b").node;
        let batch = [FoundFile::at(&root, "c", None).unwrap(), a];
        let batch = store.register_batch(on, &batch, Some(&pins)).unwrap();
        assert_eq!(pins.count(pinned).unwrap(), 2);
        assert_eq!(
            HashSet::from([pinned, batch[0].unwrap().node]),
            pins.nodes().unwrap().into_iter().collect()
        );
        assert!(store.forget(loose).unwrap());
        assert!(!store.forget(pinned).unwrap());
        assert_fails(store.get(loose), Code::UnknownNode);
        assert!(!pins.pin(loose, 1).unwrap());
        assert_eq!(pins.nodes().unwrap().len(), 2);
        assert!(pins.pin(pinned, 5).unwrap());
        assert_eq!(store.evict().unwrap(), 0);
        drop(pins);

        // The next server finds the counts.
        let pins = store.pins(&memory).unwrap();
        assert_eq!(pins.unpin(pinned, 6).unwrap(), 1);
        assert_eq!(pins.unpin(pinned, u64::MAX).unwrap(), 0);
        assert!(store.forget(pinned).unwrap());
        assert_eq!(pins.count(batch[0].unwrap().node).unwrap(), 1);
        pins.unpin_all().unwrap();
        assert_eq!(pins.nodes().unwrap(), []);
        assert_eq!(store.evict().unwrap(), 1);
        let counts = store.statistics().unwrap();
        assert_eq!((counts.created, counts.existing, counts.dropped), (3, 1, 3));
        let forever = Store::open_in_memory().unwrap();
        let on = forever.attach(&root).unwrap();
        let node = tree.register(&forever, on, "a").node;
        assert!(!forever.forget(node).unwrap());
        assert_fails(forever.register(on, &a, Some(&pins)), Code::BadValue);
    });
}

#[test]
fn an_error_becomes_an_io_error() {
    on_tree(|tree| {
        tree.write("file", "");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let node = tree.register(&store, on, "file").node;
        fs::remove_file(tree.file("file")).unwrap();

        let server = || -> io::Result<()> {
            store.open_node(node, OpenMode::ReadOnly)?;
            Ok(())
        };
        assert_eq!(server().unwrap_err().raw_os_error(), Some(ESTALE));

        let error = store.open_node(node, OpenMode::ReadOnly).unwrap_err();
        let shown = error.clone().into_io_error_with_text();
        assert_eq!(shown.to_string(), error.text());
        let inner = shown.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!((inner, inner.errno()), (&error, ESTALE));

        let missing = assert_fails(FoundFile::at(tree.directory(""), "none", None), Code::System);
        assert!(missing.text().contains("none"), "{missing}");
        assert_eq!(missing.refusal(), None);
        assert_eq!(io::Error::from(missing.clone()).kind(), io::ErrorKind::NotFound);
        assert_eq!(missing.into_io_error_with_text().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn rubbish_is_an_error() {
    on_tree(|tree| {
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        assert_fails(Store::open(tree.path("store")), Code::AlreadyOpen);
        assert_fails(Store::open("a\0b"), Code::BadValue);
        assert_fails(Store::open("/nowhere/at/all"), Code::System);
        assert_fails(Store::open(tree.file("")), Code::NotAStore);
        let missing = StoreOptions::new().read_only(true).open(tree.path("none"));
        assert_fails(missing, Code::NoStore);
        for name in ["", "a\0b", "a/b", "..", "."] {
            let error = FoundFile::at(&root, name, None).unwrap_err();
            assert!([Code::BadValue, Code::BadName].contains(&error.code()), "{error}");
        }
        let long = "x".repeat(256);
        let error = assert_fails(FoundFile::at(&root, &long, None), Code::System);
        assert_eq!(error.errno(), 36);
        assert_fails(FileHandle::new(1, &[]), Code::BadValue);
        assert_fails(FileHandle::new(1, &[0; 129]), Code::BadValue);
        assert_fails(store.get(NodeId(0)), Code::UnknownNode);
        assert_fails(store.get(NodeId(u64::MAX)), Code::UnknownNode);
        let file = FoundFile::of(&root, None).unwrap();
        assert_fails(store.register(FilesystemId(u32::MAX), &file, None), Code::BadValue);
        assert_fails(store.register(FilesystemId(9), &file, None), Code::UnknownFilesystem);
        assert_fails(store.retire(NodeId(u64::MAX)), Code::UnknownNode);
        assert!(!store.forget(NodeId(u64::MAX)).unwrap());
        assert_fails(store.backup("/nowhere/at/all"), Code::System);
        assert_fails(store.backup("a\0b"), Code::BadValue);
        assert_fails(check("/nowhere"), Code::NoStore);
        assert_fails(FoundFile::of(File::open("/proc/self/status").unwrap(), None), Code::System);
        assert_eq!(tree.store_is_unharmed(&store, on), 1);
    });
}

#[test]
fn names_need_not_be_utf8() {
    on_tree(|tree| {
        let name = std::ffi::OsStr::from_bytes(b"\xff\xfe \x01");
        File::create(tree.file("").join(name)).unwrap();
        FoundFile::at(tree.directory(""), name, None).unwrap();
        let path = tree.path("").join(name);
        drop(Store::open(&path).unwrap());
        assert_eq!(check(&path).unwrap().findings, 0);
    });
}

#[test]
fn a_copy_and_a_move_keep_the_node() {
    on_tree(|tree| {
        for name in ["file", "copy"] {
            tree.write(name, name);
        }
        fs::create_dir(tree.file("to")).unwrap();
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let node = tree.register(&store, on, "file").node;
        let to = tree.register(&store, on, "to").node;
        let old = store.get(node).unwrap().handle;
        let copy = FoundFile::at(&root, "copy", None).unwrap();
        assert_eq!(store.copy_up(node, on, &copy).unwrap().node, node);
        assert_eq!(store.find(on, &old).unwrap().unwrap().handle, copy.handle());
        fs::rename(tree.file("copy"), tree.file("to/copy")).unwrap();
        assert_eq!(store.record_move(on, &copy, to).unwrap(), Some(node));
        assert_eq!(store.get(node).unwrap().parent, Some(to));
        let directory = FoundFile::at(&root, "to", None).unwrap();
        assert_fails(store.copy_up(node, on, &directory), Code::BadValue);
    });
}

#[test]
fn a_backup_is_checked() {
    on_tree(|tree| {
        tree.write("file", "");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        tree.register(&store, on, "file");
        let backup = tree.path("backup");
        store.backup(&backup).unwrap();
        assert_eq!(check(&backup).unwrap(), CheckReport { findings: 0, text: String::new() });
        let mut data = fs::read(backup.join("data.mdb")).unwrap();
        for page in data.chunks_mut(4096).skip(2) {
            page[100..106].copy_from_slice(b"damage");
            page[4000..4006].copy_from_slice(b"damage");
        }
        File::create(backup.join("data.mdb")).unwrap().write_all(&data).unwrap();
        let report = check(&backup).unwrap();
        assert!(report.findings > 0 && !report.text.is_empty());
        assert_fails(check(tree.path("store")), Code::AlreadyOpen);
    });
}

#[test]
fn versions_and_words() {
    assert_eq!(library_version(), env!("CARGO_PKG_VERSION"));
    assert_eq!(Code::Stale.to_string(), "the node is stale: its file is gone");
    assert_eq!(Code::from_raw(Code::System.raw()), Code::System);
    assert_eq!(Code::from_raw(9999), Code::Other(9999));
    assert_eq!(Code::Other(9999).raw(), 9999);
    assert_eq!(Refusal::from_raw(5), Refusal::Signature);
}

impl crate::tree::Tree {
    /// That the store still registers a file. Returns how many nodes it has.
    fn store_is_unharmed(&self, store: &Store, on: FilesystemId) -> usize {
        self.write("unharmed", "");
        self.register(store, on, "unharmed");
        store.nodes(NodeId(0), None, None).count()
    }
}
