//! Exports, tokens and watches.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{symlink, MetadataExt};

use crate::tree::{assert_fails, memfd, on_tree, Tree, ESTALE};
use handlestore::*;

/// A store with an export of the directory `inside`, which has a file; and a file `outside/secret`.
fn export(tree: &Tree) -> (Store, Export) {
    fs::create_dir(tree.file("inside")).unwrap();
    fs::create_dir(tree.file("outside")).unwrap();
    tree.write("inside/file", "contents");
    tree.write("outside/secret", "secret");
    let store = tree.store();
    let roots = [tree.directory("inside")];
    let export = store.add_export("reports", &roots, false, Containment::Any).unwrap();
    (store, export)
}

fn lookup(export: &Export, parent: NodeId, name: &str) -> Option<Entry> {
    export.lookup(parent, name, TokenForm::NFS3, None).unwrap()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, refusal: Refusal) {
    let error = assert_fails(result, Code::Refused);
    assert_eq!(error.refusal(), Some(refusal), "{error}");
    assert_eq!(error.errno(), ESTALE);
}

#[test]
fn a_token_leads_to_its_file_after_a_restart() {
    on_tree(|tree| {
        let (store, export) = export(tree);
        tree.run("chown", &["12:34", "files/inside/file"]);
        tree.run("touch", &["-a", "-d", "@1000.000000001", "files/inside/file"]);
        tree.run("touch", &["-m", "-d", "@-1.5", "files/inside/file"]);
        let entry = lookup(&export, NodeId::ROOT, "file").unwrap();
        assert_eq!(entry.registration.outcome, Outcome::Created);
        assert!(entry.token.bytes().len() <= 64);
        assert_eq!(entry.file.status().size, 8);
        assert_eq!(entry.file.parent(), None);
        let metadata = fs::metadata(tree.file("inside/file")).unwrap();
        let attributes = entry.attributes;
        assert_eq!((attributes.uid, attributes.gid), (12, 34));
        assert_eq!((attributes.rdev, attributes.blocks), (metadata.rdev(), metadata.blocks()));
        assert_eq!(u64::from(attributes.block_size), metadata.blksize());
        assert_eq!((attributes.atime, attributes.mtime), (1_000, -2));
        assert_eq!((attributes.atime_nsec, attributes.mtime_nsec), (1, 500_000_000));
        assert_eq!(attributes.ctime, metadata.ctime());
        assert_eq!(i64::from(attributes.ctime_nsec), metadata.ctime_nsec());
        let sent = entry.token.bytes().to_vec();
        drop((export, store));

        fs::rename(tree.file("inside/file"), tree.file("inside/renamed")).unwrap();
        let store = tree.store();
        let export = store.open_export("reports").unwrap();
        let token = Token::new(&sent);
        let mut text = String::new();
        File::from(export.open(&token, OpenMode::ReadOnly).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "contents");
        let again = export.lookup_reference(&token, TokenForm::Reference, None).unwrap();
        assert_eq!(again.registration.node, entry.registration.node);
        assert_eq!(again.token.bytes().len(), 32);
        let both = Reference::NodeOrToken(NodeId(u64::MAX), &token);
        assert!(export.open(both, OpenMode::Path).is_ok());
        assert_eq!(export.token_of(again.registration.node, TokenForm::NFS3).unwrap(), token);
        assert_eq!(store.statistics().unwrap().refused(Refusal::Signature), 0);
    });
}

#[test]
fn an_export_confines() {
    on_tree(|tree| {
        let (store, export) = export(tree);
        let entry = lookup(&export, NodeId::ROOT, "file").unwrap();
        let node = entry.registration.node;
        assert!(lookup(&export, NodeId::ROOT, "none").is_none());
        let above = lookup(&export, NodeId::ROOT, "..").unwrap();
        assert_eq!(above.registration.node, export.root());
        symlink("../outside/secret", tree.file("inside/link")).unwrap();
        let link = lookup(&export, NodeId::ROOT, "link").unwrap();
        assert_eq!(link.file.status().mode & 0o170000, 0o120000);
        let link = link.registration.node;
        assert_fails(export.open(link, OpenMode::ReadOnly), Code::NotOpenableHandle);
        let secret = export.lookup(NodeId::ROOT, "../outside/secret", TokenForm::NFS3, None);
        assert_fails(secret, Code::BadName);

        // A file that the store knows, and that is not inside.
        let on = store.attach(tree.directory("")).unwrap();
        let secret = FoundFile::at(tree.directory("outside"), "secret", None).unwrap();
        let secret = store.register(on, &secret, None).unwrap().node;
        assert_refused(export.open(secret, OpenMode::Path), Refusal::Outside);

        // A file that was moved out.
        fs::rename(tree.file("inside/file"), tree.file("outside/file")).unwrap();
        assert_refused(export.open(node, OpenMode::Path), Refusal::Outside);
        assert_refused(export.open(&entry.token, OpenMode::Path), Refusal::Outside);
        assert_eq!(store.statistics().unwrap().refused(Refusal::Outside), 3);
        fs::remove_file(tree.file("outside/file")).unwrap();
        assert_refused(export.open(&entry.token, OpenMode::Path), Refusal::Stale);
    });
}

#[test]
fn forged_tokens_are_refused() {
    on_tree(|tree| {
        let (store, export) = export(tree);
        let token = lookup(&export, NodeId::ROOT, "file").unwrap().token;
        let mut admitted = 0;
        for position in 0..token.bytes().len() {
            for bit in 0..8 {
                let mut forged = token.bytes().to_vec();
                forged[position] ^= 1 << bit;
                let result = export.open(&Token::new(&forged), OpenMode::Path);
                admitted += u32::from(result.is_ok());
                let error = assert_fails(result, Code::Refused);
                assert_eq!(error.errno(), ESTALE);
            }
        }
        assert_eq!(admitted, 0);
        assert!(store.statistics().unwrap().refused(Refusal::Signature) > 100);
        for length in [0, 1, 31, 63, 128, 129, 1000] {
            let token = Token::new(&vec![1; length]);
            let error = assert_fails(export.open(&token, OpenMode::Path), Code::Refused);
            assert!(error.refusal().is_some());
        }
        assert_refused(export.open(&Token::new(&[0; 129]), OpenMode::Path), Refusal::Length);
        let error = export.lookup_reference(&Token::new(&[]), TokenForm::NFS3, None);
        assert_refused(error, Refusal::Length);

        // One of another store, which has other keys.
        let other = Store::open(tree.path("other")).unwrap();
        let roots = [tree.directory("inside")];
        let other = other.add_export("reports", &roots, false, Containment::Walk).unwrap();
        let foreign = lookup(&other, NodeId::ROOT, "file").unwrap().token;
        assert_ne!(foreign, token);
        assert_refused(export.open(&foreign, OpenMode::Path), Refusal::Signature);
        assert_refused(export.open(NodeId(u64::MAX), OpenMode::Path), Refusal::UnknownNode);
        assert_fails(export.open(NodeId(0), OpenMode::Path), Code::BadValue);
        assert!(export.open(&token, OpenMode::Path).is_ok());
    });
}

#[test]
fn a_file_is_created_once() {
    on_tree(|tree| {
        let (store, export) = export(tree);
        let memory = memfd();
        let pins = store.pins(&memory).unwrap();
        let create = |mode| {
            export.create_or_open(NodeId::ROOT, "new", mode, 0o640, TokenForm::MAX, Some(&pins))
        };
        let first = create(OpenMode::ReadWrite).unwrap();
        assert!(first.was_created);
        File::from(first.fd).write_all(b"written").unwrap();
        let second = create(OpenMode::ReadOnly).unwrap();
        assert!(!second.was_created);
        let node = second.entry.registration.node;
        assert_eq!(node, first.entry.registration.node);
        assert_eq!(pins.count(node).unwrap(), 2);
        let mut text = String::new();
        File::from(second.fd).read_to_string(&mut text).unwrap();
        assert_eq!(text, "written");
        assert_fails(create(OpenMode::Path), Code::BadValue);
        for limit in [0, 32, 63, 129, u32::MAX] {
            let form = TokenForm::AtMost(limit);
            assert_fails(export.token_of(node, form), Code::BadValue);
        }
    });
}

#[test]
fn exports_are_added_and_removed() {
    on_tree(|tree| {
        let (store, first) = export(tree);
        drop(first);
        assert_fails(store.open_export("none"), Code::NoExport);
        assert_fails(store.open_export("a\0b"), Code::BadValue);
        let roots = [tree.directory("inside")];
        let second = store.add_export("second", &roots, true, Containment::Kernel).unwrap();
        let file = lookup(&second, NodeId::ROOT, "file").unwrap().registration.node;
        let error = assert_fails(second.open(file, OpenMode::ReadWrite), Code::ReadOnlyExport);
        assert_eq!(error.errno(), 30);
        let whole = Containment::WholeFilesystem;
        assert_fails(store.add_export("whole", &roots, false, whole), Code::Unavailable);
        for containment in [whole, Containment::Kernel, Containment::Cached, Containment::Walk] {
            let name = format!("{containment:?}");
            store.add_export(&name, &[tree.directory("")], false, containment).unwrap();
        }
        let none: [File; 0] = [];
        assert_fails(store.add_export("none", &none, false, Containment::Any), Code::BadValue);
        let again = store.add_export("second", &roots, false, Containment::Any);
        assert_fails(again, Code::BadExport);
        store.remove_export("second").unwrap();
        assert_fails(store.open_export("second"), Code::NoExport);
        assert!(second.open(file, OpenMode::ReadOnly).is_ok());
        assert!(store.open_export("reports").is_ok());
    });
}

#[test]
fn watches_end_with_their_file() {
    const DELETE_SELF: u32 = 0x400;
    const MODIFY: u32 = 0x2;
    on_tree(|tree| {
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let nodes: Vec<_> = (0..20)
            .map(|i| {
                tree.write(&format!("{i}"), "");
                tree.register(&store, on, &format!("{i}")).node
            })
            .collect();
        for watcher in 0..100 {
            store.watch(nodes[0], DELETE_SELF, watcher).unwrap();
        }
        store.watch(nodes[0], MODIFY, 5).unwrap();
        let watchers = store.watchers(nodes[0]).unwrap();
        assert_eq!(watchers.len(), 100);
        assert!(watchers.contains(&Watcher { number: 5, mask: MODIFY }));
        assert!(store.unwatch(nodes[0], 5).unwrap());
        assert!(!store.unwatch(nodes[0], 5).unwrap());
        for &node in &nodes[1..] {
            store.watch(node, MODIFY, 1).unwrap();
        }
        assert_fails(store.watch(nodes[0], 0, 1), Code::BadValue);
        drop(store);

        // After a restart.
        let store = tree.store();
        store.attach_mounted().unwrap();
        let watched: Vec<_> = store.watched(NodeId(0)).map(|node| node.unwrap()).collect();
        assert_eq!(watched.len(), 20);
        assert_eq!(watched[0], WatchedNode { node: nodes[0], mask: DELETE_SELF });
        fs::remove_file(tree.file("3")).unwrap();
        fs::remove_file(tree.file("17")).unwrap();
        let (mut found, mut next) = (Vec::new(), Some(NodeId(0)));
        let (mut present, mut gone) = (0, 0);
        while let Some(start) = next {
            let sweep = store.sweep(start, 6).unwrap();
            found.extend(sweep.deletions.nodes);
            assert!(!sweep.deletions.overflowed);
            next = sweep.next;
            present += sweep.present;
            gone += sweep.gone;
            assert_eq!(sweep.skipped, 0);
        }
        assert_eq!((present, gone), (18, 2));
        found.extend(store.deletions(usize::MAX).unwrap().nodes);
        assert_eq!(found, [nodes[3], nodes[17]]);
        assert_eq!(store.deletions(10).unwrap(), Deletions::default());
        assert_fails(store.deletions(0), Code::BadValue);
        assert_fails(store.sweep(NodeId(0), 0), Code::BadValue);
        assert_eq!(store.sweep(NodeId(u64::MAX), usize::MAX).unwrap(), Sweep::default());
    });
}
