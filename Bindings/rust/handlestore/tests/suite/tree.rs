//! Trees of files for the tests, on an ext4 of their own, which reuses inode numbers.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::raw::{c_char, c_int, c_uint};
use std::os::unix::fs::MetadataExt;
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Mutex;

use handlestore::{Code, Error, FilesystemId, FoundFile, NodeId, Outcome, Registration, Store};

/// A mounted ext4, which is unmounted and removed when this is dropped.
pub struct Tree {
    folder: PathBuf,
}

impl Tree {
    /// Makes a filesystem; `None` without root, or an error if CI is set.
    pub fn new() -> Option<Tree> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            assert!(std::env::var_os("CI").is_none(), "the tests need root");
            eprintln!("skipped, because mounting and opening files by handle need root");
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Two mounts at once may want the same loop device.
        static ONE_MOUNT: Mutex<()> = Mutex::new(());
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("handlestore rust {} {number}", std::process::id());
        let tree = Tree { folder: std::env::temp_dir().join(name) };
        fs::create_dir_all(tree.path("files")).unwrap();
        File::create(tree.path("image")).unwrap().set_len(64 << 20).unwrap();
        tree.run("mkfs.ext4", &["-q", "-F", "image"]);
        let _guard = ONE_MOUNT.lock().unwrap();
        tree.run("mount", &["-o", "loop", "image", "files"]);
        Some(tree)
    }

    /// Runs a program beside the mount, which is the directory `files` there.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A path beside the mount.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A path in the mount.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join("files").join(name)
    }

    /// The root of the mount, or a directory in it, open.
    pub fn directory(&self, name: &str) -> File {
        File::open(self.file(name)).unwrap()
    }

    /// Makes a file.
    pub fn write(&self, name: &str, text: &str) {
        File::create(self.file(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Opens the store beside the mount.
    pub fn store(&self) -> Store {
        Store::open(self.path("store")).unwrap()
    }

    /// Registers a file by its name in the root.
    pub fn register(&self, store: &Store, on: FilesystemId, name: &str) -> Registration {
        let file = FoundFile::at(self.directory(""), name, None).unwrap();
        store.register(on, &file, None).unwrap()
    }

    /// Unlinks a file and makes others until one has its inode number. Returns the node that it got, and
    /// the name of the new file.
    pub fn reuse(&self, store: &Store, on: FilesystemId, name: &str) -> (NodeId, String) {
        let inode = fs::metadata(self.file(name)).unwrap().ino();
        fs::remove_file(self.file(name)).unwrap();
        for attempt in 0..1000 {
            let next = format!("{name}-{attempt}");
            self.write(&next, "another file");
            if fs::metadata(self.file(&next)).unwrap().ino() == inode {
                return (self.register(store, on, &next).node, next);
            }
        }
        panic!("ext4 did not use inode {inode} again");
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Lazily, so that a test that failed with a file open leaves no mount behind.
        let _ = Command::new("umount").arg("-l").arg(self.file("")).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a test on a tree of its own, if it may mount one.
pub fn on_tree(test: impl FnOnce(&Tree)) {
    if let Some(tree) = Tree::new() {
        test(&tree);
    }
}

/// A file in memory, as a process that mounts gives it to its servers.
pub fn memfd() -> File {
    extern "C" {
        fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
    }
    let name = CString::new("test").unwrap();
    // SAFETY: the name ends with a NUL, and the descriptor is new.
    let file = unsafe { File::from_raw_fd(memfd_create(name.as_ptr(), 0)) };
    assert!(file.as_raw_fd() > 2);
    file
}

/// That a call failed with a code, and says why.
#[track_caller]
pub fn assert_fails<T: std::fmt::Debug>(result: Result<T, Error>, code: Code) -> Error {
    let error = result.expect_err("the call did not fail");
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.text().is_empty());
    assert_ne!(error.errno(), 0);
    error
}

/// That a registration replaced a node.
#[track_caller]
pub fn assert_replaced(registration: Registration, old: NodeId) {
    assert_eq!(registration.outcome, Outcome::Replaced(old));
    assert_ne!(registration.node, old);
}

/// `ESTALE`.
pub const ESTALE: i32 = 116;
