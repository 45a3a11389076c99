//! Threads, the order in which objects are dropped, forked children, and servers that are killed.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::raw::c_int;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::tree::{assert_fails, memfd, on_tree, Tree, ESTALE};
use handlestore::*;

#[test]
fn objects_go_from_thread_to_thread() {
    fn any_thread<T: Send + Sync + 'static>() {}
    any_thread::<Store>();
    any_thread::<Export>();
    any_thread::<Pins>();
    any_thread::<Journal>();
    any_thread::<OpenFiles>();
    any_thread::<Parking>();
    any_thread::<ParkedFiles>();
    any_thread::<Error>();
}

#[test]
fn many_threads_share_a_store() {
    on_tree(|tree| {
        let names: Vec<_> = (0..200).map(|i| format!("{i}")).collect();
        for name in &names {
            tree.write(name, name);
        }
        let store = tree.store();
        let root = tree.directory("");
        let on = store.attach(&root).unwrap();
        let export = store.add_export("all", &[&root], false, Containment::Any).unwrap();
        let pins = store.pins(memfd()).unwrap();
        let created = Mutex::new(HashMap::<NodeId, usize>::new());
        let work = |thread: usize| {
            for i in 0..names.len() {
                let name = &names[(i * 7 + thread * 31) % names.len()];
                let file = FoundFile::at(&root, name, None).unwrap();
                let registration = store.register(on, &file, Some(&pins)).unwrap();
                let entry = export.lookup(NodeId::ROOT, name, TokenForm::NFS3, None).unwrap();
                assert_eq!(entry.unwrap().registration.node, registration.node);
                assert_eq!(store.get(registration.node).unwrap().handle, file.handle());
                store.open_node(registration.node, OpenMode::ReadOnly).unwrap();
                let is_new = registration.outcome == Outcome::Created;
                *created.lock().unwrap().entry(registration.node).or_default() +=
                    usize::from(is_new);
            }
        };
        thread::scope(|scope| {
            for thread in 0..16 {
                scope.spawn(move || work(thread));
            }
        });
        // Each file has one node, which one thread created and each pinned once.
        let created = created.into_inner().unwrap();
        assert_eq!(created.len(), names.len());
        assert!(created.values().all(|&count| count == 1), "{created:?}");
        assert!(created.keys().all(|&node| pins.count(node).unwrap() == 16));
    });
}

#[test]
fn a_store_is_closed_after_what_was_made_from_it() {
    on_tree(|tree| {
        tree.write("file", "");
        let root = tree.directory("");
        let store = tree.store();
        let clone = store.clone();
        let export = store.add_export("all", &[&root], false, Containment::Any).unwrap();
        let pins = store.pins(memfd()).unwrap();
        drop(store);
        let entry = export.lookup(NodeId::ROOT, "file", TokenForm::NFS3, Some(&pins));
        let node = entry.unwrap().unwrap().registration.node;
        drop(clone);
        assert_eq!(pins.count(node).unwrap(), 1);
        assert!(pins.pin(node, 1).unwrap());
        assert_fails(Store::open(tree.path("store")), Code::AlreadyOpen);
        drop(pins);
        assert!(export.open(node, OpenMode::ReadOnly).is_ok());
        assert_fails(Store::open(tree.path("store")), Code::AlreadyOpen);
        drop(export);
        // All are gone, so the store can be opened again. It was closed properly, not by a crash.
        let store = tree.store();
        assert!(store.get(node).is_ok());

        // What was made from a store that was closed gives errors until it is dropped.
        let export = store.open_export("all").unwrap();
        let pins = store.pins(memfd()).unwrap();
        store.close().unwrap();
        store.close().unwrap();
        assert_fails(store.get(node), Code::Closed);
        assert_fails(export.open(node, OpenMode::Path), Code::Closed);
        assert_fails(pins.pin(node, 1), Code::Closed);
        assert_eq!(pins.unpin(node, 1).unwrap(), 0);
        let second = tree.store();
        drop((store, pins, export));
        assert!(second.get(node).is_ok());
    });
}

/// A library that comes before libhandlestore, and writes down what is freed.
const WITNESS: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <stdio.h>
    #define WITNESS(name) void name(void *object) \
    { \
        FILE *log = fopen("log", "a"); \
        fputs(#name " ", log); \
        fclose(log); \
        ((void (*)(void *))dlsym(RTLD_NEXT, #name))(object); \
    }
    WITNESS(hs_store_free)
    WITNESS(hs_pins_free)
    WITNESS(hs_export_free)
"#;

#[test]
fn a_store_is_freed_last() {
    if !is_alone() {
        return on_tree(|tree| {
            fs::write(tree.path("witness.c"), WITNESS).unwrap();
            tree.run("gcc", &["-shared", "-fPIC", "-o", "witness.so", "witness.c"]);
            let mut process = Command::new(env::current_exe().unwrap());
            // A relative path, because LD_PRELOAD ends at a blank.
            process.current_dir(tree.path("")).env("LD_PRELOAD", "./witness.so");
            run_alone(process.arg(FREED_LAST));
            let log = fs::read_to_string(tree.path("log")).unwrap();
            let pins_first = "hs_pins_free hs_export_free hs_store_free ";
            let export_first = "hs_export_free hs_pins_free hs_store_free ";
            assert_eq!(log, [pins_first, export_first].concat());
        });
    }
    on_tree(|tree| {
        for pins_first in [true, false] {
            let store = Store::open_in_memory().unwrap();
            let roots = [tree.directory("")];
            let export = store.add_export("all", &roots, false, Containment::Any).unwrap();
            let pins = store.pins(memfd()).unwrap();
            drop(store);
            if pins_first {
                drop((pins, export));
            } else {
                drop((export, pins));
            }
        }
    });
}

const DROPPING: &str = "processes::dropping_closes_every_descriptor";
const FREED_LAST: &str = "processes::a_store_is_freed_last";

/// Whether this process runs one test only.
fn is_alone() -> bool {
    env::var_os("HANDLESTORE_ALONE").is_some()
}

/// Runs one test in a process of its own.
fn run_alone(process: &mut Command) {
    let output = process.arg("--exact").env("HANDLESTORE_ALONE", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn dropping_closes_every_descriptor() {
    // Other tests open files meanwhile.
    if !is_alone() {
        return run_alone(Command::new(env::current_exe().unwrap()).arg(DROPPING));
    }
    let count = || fs::read_dir("/proc/self/fd").unwrap().count();
    on_tree(|tree| {
        tree.write("file", "");
        let cycle = || {
            let store = tree.store();
            let export = match store.open_export("all") {
                Ok(export) => export,
                Err(_) => {
                    store.add_export("all", &[tree.directory("")], false, Containment::Any).unwrap()
                }
            };
            let pins = store.pins(memfd()).unwrap();
            let open = export
                .create_or_open(
                    NodeId::ROOT,
                    "file",
                    OpenMode::ReadOnly,
                    0o600,
                    TokenForm::NFS3,
                    Some(&pins),
                )
                .unwrap();
            let _ = store.open_node(open.entry.registration.node, OpenMode::Path).unwrap();
            let (mine, _its) = Parking::sockets().unwrap();
            let _parking = Parking::new(mine).unwrap();
            let fuse = fs::File::open("/dev/null").unwrap().into();
            let _files = OpenFiles::open(memfd(), Some(fuse)).unwrap();
            let _journal = Journal::open(memfd(), 4).unwrap();
        };
        cycle();
        let before = count();
        for _ in 0..10 {
            cycle();
        }
        assert_eq!(count(), before);
    });
}

#[test]
fn a_forked_child_gets_errors() {
    extern "C" {
        fn fork() -> c_int;
        fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn _exit(status: c_int) -> !;
    }
    on_tree(|tree| {
        tree.write("file", "");
        let store = tree.store();
        let on = store.attach(tree.directory("")).unwrap();
        let node = tree.register(&store, on, "file").node;
        let pins = store.pins(memfd()).unwrap();
        // SAFETY: the child only makes calls that take no lock, and ends without cleaning up.
        let child = unsafe { fork() };
        if child == 0 {
            let codes = [
                store.get(node).map(|_| ()),
                store.open_node(node, OpenMode::Path).map(|_| ()),
                store.close(),
                pins.pin(node, 1).map(|_| ()),
            ];
            let forked = |result: &Result<()>| {
                result.as_ref().err().map_or(false, |error| error.code() == Code::Forked)
            };
            let all = codes.iter().all(forked);
            drop((pins, store));
            unsafe { _exit(if all { 7 } else { 1 }) }
        }
        let mut status = 0;
        // SAFETY: there is room for the status.
        assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 7 << 8);
        assert!(store.get(node).is_ok());
    });
}

/// The example `node_table` as a process.
struct Server {
    process: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Server {
    fn start(tree: &Tree) -> Server {
        let mut process = Command::new(example())
            .args([tree.path("store"), tree.file(""), tree.file("pins")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take();
        let replies = BufReader::new(process.stdout.take().unwrap());
        let mut server = Server { process, requests, replies };
        assert!(server.reply().unwrap().starts_with("ready "));
        server
    }

    fn send(&mut self, request: &str) {
        writeln!(self.requests.as_ref().unwrap(), "{request}").unwrap();
    }

    fn reply(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.replies.read_line(&mut line).unwrap();
        (length > 0 && line.ends_with('\n')).then(|| line.trim_end().to_string())
    }

    fn ask(&mut self, request: &str) -> String {
        self.send(request);
        self.reply().unwrap()
    }

    /// Ends it by SIGKILL. Returns the replies that it had sent.
    fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::iter::from_fn(|| self.reply()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.process.wait();
    }
}

/// Where cargo puts examples: beside the folder with this test. Only a plain `cargo test` builds them.
fn example() -> PathBuf {
    let test = env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/node_table");
    assert!(example.exists(), "{} is missing; run cargo test", example.display());
    example
}

#[test]
fn the_example_serves_over_kills() {
    on_tree(|tree| {
        tree.write("a file", "contents");
        fs::create_dir(tree.file("directory")).unwrap();
        tree.write("directory/b", "");
        let mut server = Server::start(tree);
        let file = server.ask("lookup 1 a file");
        let directory = server.ask("lookup 1 directory");
        let id = |reply: &str| -> u64 { reply.split(' ').nth(1).unwrap().parse().unwrap() };
        let below = server.ask(&format!("lookup {} b", id(&directory)));
        let root = server.ask(&format!("lookup {} ..", id(&directory)));
        assert_eq!(root, "node 1 0");
        assert_eq!(server.ask("lookup 1 none"), "none");
        let read = server.ask(&format!("read {}", id(&file)));
        assert!(read.starts_with("file ") && read.ends_with(" 8"), "{read}");
        server.kill();

        // The next server knows the nodes, and the lookups that the kernel has not forgotten.
        fs::rename(tree.file("a file"), tree.file("directory/renamed")).unwrap();
        let mut server = Server::start(tree);
        assert_eq!(server.ask(&format!("read {}", id(&file))), read);
        assert_eq!(server.ask(&format!("lookup {} renamed", id(&directory))), file);
        assert_eq!(server.ask(&format!("forget {} 1", id(&file))), "forgotten");
        assert_eq!(server.ask(&format!("read {}", id(&file))), read);
        assert_eq!(server.ask(&format!("lookup {} b", id(&directory))), below);
        server.kill();
        let mut server = Server::start(tree);
        assert_eq!(server.ask(&format!("forget {} 1", id(&file))), "forgotten");
        let gone = server.ask(&format!("read {}", id(&file)));
        assert!(gone.starts_with(&format!("errno {ESTALE} ")), "{gone}");
        let anew = server.ask(&format!("lookup {} renamed", id(&directory)));
        assert!(id(&anew) > id(&below), "{anew}");
    });
}

#[test]
fn a_killed_server_loses_nothing() {
    on_tree(|tree| {
        let mut nodes = HashMap::new();
        for round in 0..10 {
            let names: Vec<_> = (0..200).map(|i| format!("{round} {i}")).collect();
            for name in &names {
                tree.write(name, "");
            }
            let mut server = Server::start(tree);
            for name in &names {
                server.send(&format!("lookup 1 {name}"));
            }
            // While it works.
            for name in &names[..20 * round] {
                nodes.insert(name.clone(), server.reply().unwrap());
            }
            let rest = server.kill();
            for (name, reply) in names[20 * round..].iter().zip(rest) {
                nodes.insert(name.clone(), reply);
            }
        }
        assert!(nodes.len() > 900, "{}", nodes.len());
        let unique: HashSet<_> = nodes.values().collect();
        assert_eq!(unique.len(), nodes.len());
        let mut server = Server::start(tree);
        for (name, reply) in &nodes {
            assert_eq!(server.ask(&format!("lookup 1 {name}")), *reply);
        }
    });
}
