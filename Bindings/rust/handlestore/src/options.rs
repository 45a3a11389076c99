use std::mem::size_of;
use std::path::Path;
use std::sync::Arc;

use crate::call::{c_path, Object};
use crate::error::Result;
use crate::ffi;
use crate::store::Store;

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// A `kill -9`. After a power cut the store is checked.
    #[default]
    Process,
    /// A power cut, too. Each commit waits for a disk flush.
    Power,
}

/// When nodes that nobody holds may be dropped. A pin or a watch holds a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retention {
    /// Never.
    #[default]
    Forever,
    /// So many seconds after the node became live or stale.
    Seconds(u32),
    /// While the store has more nodes than so many.
    Nodes(u64),
}

/// How to open a store.
///
/// ```no_run
/// use handlestore::{Durability, StoreOptions};
///
/// let store = StoreOptions::new().durability(Durability::Power).open("/var/lib/nodes")?;
/// # Ok::<(), handlestore::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreOptions {
    durability: Durability,
    read_only: bool,
    retention: Retention,
    cache_size: u64,
    limbo_limit: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            durability: Durability::default(),
            read_only: false,
            retention: Retention::default(),
            cache_size: 65_536,
            limbo_limit: 16_384,
        }
    }
}

impl StoreOptions {
    /// The usual options.
    pub fn new() -> Self {
        StoreOptions::default()
    }

    /// What an acknowledged change survives; [`Durability::Process`] unless it is set.
    pub fn durability(&mut self, durability: Durability) -> &mut Self {
        self.durability = durability;
        self
    }

    /// Whether to read only, while another process may write; `false` unless it is set.
    pub fn read_only(&mut self, read_only: bool) -> &mut Self {
        self.read_only = read_only;
        self
    }

    /// When nodes that nobody holds may be dropped; [`Retention::Forever`] unless it is set.
    pub fn retention(&mut self, retention: Retention) -> &mut Self {
        self.retention = retention;
        self
    }

    /// How many nodes to keep in memory, at 66 bytes each; 65,536 unless it is set.
    pub fn cache_size(&mut self, nodes: u64) -> &mut Self {
        self.cache_size = nodes;
        self
    }

    /// How many deleted nodes to keep for those who watch them; 16,384 unless it is set.
    pub fn limbo_limit(&mut self, nodes: u64) -> &mut Self {
        self.limbo_limit = nodes;
        self
    }

    /// Opens the store in a directory. If the directory is missing or empty, makes one there, unless it
    /// is only read. Takes some milliseconds; longer for a copy, and after a power cut.
    ///
    /// # Errors
    /// [`InUse`](crate::Code::InUse), [`AlreadyOpen`](crate::Code::AlreadyOpen),
    /// [`NoStore`](crate::Code::NoStore), [`NotAStore`](crate::Code::NotAStore),
    /// [`UnsupportedVersion`](crate::Code::UnsupportedVersion), [`Torn`](crate::Code::Torn),
    /// [`TornCopy`](crate::Code::TornCopy), [`SharedData`](crate::Code::SharedData),
    /// [`Damaged`](crate::Code::Damaged), [`DiskFull`](crate::Code::DiskFull),
    /// [`System`](crate::Code::System).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> {
        let (path, options) = (c_path(path.as_ref())?, self.raw());
        // SAFETY: path and options live until the call returns.
        let store = Object::open(|store, error| unsafe {
            ffi::hs_store_open(path.as_ptr(), &options, store, error)
        })?;
        Ok(Store { object: Arc::new(store) })
    }

    /// Makes a store in memory, which is gone when it is dropped. For tests of a server.
    pub fn open_in_memory(&self) -> Result<Store> {
        let options = self.raw();
        // SAFETY: the options live until the call returns.
        let store = Object::open(|store, error| unsafe {
            ffi::hs_store_open_in_memory(&options, store, error)
        })?;
        Ok(Store { object: Arc::new(store) })
    }

    pub(crate) fn raw(&self) -> ffi::hs_store_options {
        let (retention, retention_value) = match self.retention {
            Retention::Forever => (ffi::HS_RETAIN_FOREVER, 0),
            Retention::Seconds(seconds) => (ffi::HS_RETAIN_SECONDS, seconds.into()),
            Retention::Nodes(nodes) => (ffi::HS_RETAIN_NODES, nodes),
        };
        ffi::hs_store_options {
            size: size_of::<ffi::hs_store_options>() as u32,
            durability: match self.durability {
                Durability::Process => ffi::HS_DURABILITY_PROCESS,
                Durability::Power => ffi::HS_DURABILITY_POWER,
            },
            read_only: self.read_only.into(),
            retention,
            retention_value,
            cache_size: self.cache_size,
            limbo_limit: self.limbo_limit,
        }
    }
}
