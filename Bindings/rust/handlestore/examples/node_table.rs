//! The node table of a FUSE server: LOOKUP, FORGET, and a restart after which the kernel's node ids are
//! still good. The server's requests come from standard input, one a line, instead of from /dev/fuse:
//!
//!     lookup PARENT NAME   prints `node ID GENERATION`, after `stale OLD` if a node became stale
//!     forget NODE COUNT    prints `forgotten`
//!     read NODE            prints `file INODE SIZE` of the node's file, opened by its id
//!
//! Each prints `errno NUMBER TEXT` if it fails. Run it as root:
//!
//!     cargo run --example node_table STORE DIRECTORY PINS
//!
//! STORE is where the node ids are kept, DIRECTORY is what clients see, PINS is a file with the lookup
//! counts of the mount. Kill it with `kill -9` and start it again: the ids go on.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use handlestore::{
    Code, Containment, Error, Export, NodeId, OpenMode, Outcome, Pins, Result, Retention, Store,
    StoreOptions, TokenForm,
};

/// What a FUSE server knows of its files. There is no table in memory and no descriptor for each file.
struct NodeTable {
    store: Store,
    export: Export,
    // The kernel's lookup counts. A real server keeps them in a memfd that it gets from the process that
    // mounts, so that they end with the mount.
    pins: Pins,
}

/// What the server replies to a LOOKUP.
struct Found {
    node: NodeId,
    generation: u32,
    /// A node to invalidate before the reply (`FUSE_NOTIFY_INVAL_INODE`): its inode is another file now.
    stale: Option<NodeId>,
}

impl NodeTable {
    fn open(store: &Path, directory: &Path, pins: &File) -> Result<NodeTable> {
        // A node may be dropped at once when the kernel has forgotten it. A server whose files are exported
        // over NFS keeps nodes longer, because NFS clients don't forget.
        let store = StoreOptions::new().retention(Retention::Seconds(0)).open(store)?;
        let export = match store.open_export("table") {
            Err(error) if error.code() == Code::NoExport => add_export(&store, directory),
            opened => opened,
        }?;
        let pins = store.pins(pins)?;
        Ok(NodeTable { store, export, pins })
    }

    /// LOOKUP: the name's node, pinned once. `ESTALE` if the kernel names a directory that is gone.
    fn lookup(&self, parent: NodeId, name: &OsStr) -> Result<Option<Found>> {
        let entry = self.export.lookup(parent, name, TokenForm::Reference, Some(&self.pins))?;
        Ok(entry.map(|entry| {
            let registration = entry.registration;
            let stale = match registration.outcome {
                Outcome::Replaced(old) => Some(old),
                Outcome::Created | Outcome::Existing => None,
            };
            // The kernel knows the root as node 1, and with generation 0.
            if registration.node == self.export.root() {
                return Found { node: NodeId::ROOT, generation: 0, stale };
            }
            Found { node: registration.node, generation: registration.generation, stale }
        }))
    }

    /// FORGET: takes back pins, and drops the node with the last of them.
    fn forget(&self, node: NodeId, count: u64) -> Result<()> {
        if self.pins.unpin(node, count)? == 0 {
            self.store.forget(node)?;
        }
        Ok(())
    }

    /// OPEN, GETATTR and all others: the node's file, wherever it is now, if the export still has it.
    fn open_file(&self, node: NodeId, mode: OpenMode) -> Result<File> {
        Ok(File::from(self.export.open(node, mode)?))
    }
}

fn add_export(store: &Store, directory: &Path) -> Result<Export> {
    let root = File::open(directory).unwrap_or_else(|error| {
        eprintln!("node_table: {}: {error}", directory.display());
        std::process::exit(1)
    });
    store.add_export("table", &[root], false, Containment::Any)
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [store, directory, pins] = match <[_; 3]>::try_from(arguments) {
        Ok(arguments) => arguments,
        Err(_) => {
            eprintln!("usage: node_table STORE DIRECTORY PINS");
            std::process::exit(2)
        }
    };
    let pins = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(pins)?;
    let table = NodeTable::open(store.as_ref(), directory.as_ref(), &pins)
        .map_err(Error::into_io_error_with_text)?;
    let mut output = io::stdout();
    writeln!(output, "ready {}", table.store.generation())?;
    for line in io::stdin().lock().split(b'\n') {
        serve(&table, &line?, &mut output)?;
        output.flush()?;
    }
    table.store.close().map_err(Error::into_io_error_with_text)
}

/// Answers a request.
fn serve(table: &NodeTable, line: &[u8], output: &mut impl Write) -> io::Result<()> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let kind = words.next().unwrap_or_default();
    let node = NodeId(number(words.next()));
    let last = words.next();
    let reply = match kind {
        b"lookup" => lookup(table, node, last.unwrap_or_default()),
        b"forget" => table.forget(node, number(last)).map(|()| "forgotten".to_string()),
        b"read" => read(table, node),
        _ => Ok("unknown request".to_string()),
    };
    match reply {
        Ok(text) => writeln!(output, "{text}"),
        // A real server replies the errno and logs the text.
        Err(error) => writeln!(output, "errno {} {error}", error.errno()),
    }
}

fn lookup(table: &NodeTable, parent: NodeId, name: &[u8]) -> Result<String> {
    Ok(match table.lookup(parent, OsStr::from_bytes(name))? {
        None => "none".to_string(),
        Some(Found { node, generation, stale: Some(old) }) => {
            format!("stale {old}\nnode {node} {generation}")
        }
        Some(Found { node, generation, stale: None }) => format!("node {node} {generation}"),
    })
}

fn read(table: &NodeTable, node: NodeId) -> Result<String> {
    let file = table.open_file(node, OpenMode::Path)?;
    Ok(match file.metadata() {
        Ok(status) => format!("file {} {}", status.ino(), status.size()),
        Err(error) => format!("errno {} {error}", error.raw_os_error().unwrap_or(0)),
    })
}

/// A number of a request; 0 if it is none.
fn number(word: Option<&[u8]>) -> u64 {
    word.and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or(0)
}
