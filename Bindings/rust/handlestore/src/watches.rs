use std::mem::zeroed;

use crate::call::{call, fetch_all, fetch_bool, fetch_page};
use crate::error::Result;
use crate::ffi;
use crate::node::NodeId;
use crate::pages::{Pages, PAGE};
use crate::store::Store;

/// A watcher of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The number that the server gave it.
    pub number: u64,
    /// The events, with the bits of `inotify(7)`.
    pub mask: u32,
}

/// A node that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedNode {
    /// The node's id.
    pub node: NodeId,
    /// The events of all its watchers combined, with the bits of `inotify(7)`.
    pub mask: u32,
}

/// Watched nodes whose file is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    /// The nodes, each once.
    pub nodes: Vec<NodeId>,
    /// Whether some were lost, because there were too many.
    pub overflowed: bool,
}

/// What one step of a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// As [`Store::deletions`] returns them.
    pub deletions: Deletions,
    /// Where the next step starts; `None` after the last one.
    pub next: Option<NodeId>,
    /// How many live nodes have a file.
    pub present: u64,
    /// How many live nodes have lost their file; they are stale now.
    pub gone: u64,
    /// How many live nodes were not decided: not attached, unreadable, or the disk is full.
    pub skipped: u64,
}

/// The most nodes of one call, for which memory is taken.
const LIMIT: usize = 65_536;

/// # Watches
impl Store {
    /// Records that a watcher watches a live node for the events of a mask (not 0); replaces its earlier
    /// mask. A watcher is a number that the server gives to a client and keeps over restarts. A node that
    /// is watched is not dropped. The store does not watch the file itself.
    pub fn watch(&self, node: NodeId, mask: u32, watcher: u64) -> Result<()> {
        // SAFETY: the store is not freed before `self` is dropped. This holds for all calls below.
        call(|error| unsafe { ffi::hs_watch(self.pointer(), node.0, mask, watcher, error) })
    }

    /// Ends a watch. Returns `false` if there was none.
    pub fn unwatch(&self, node: NodeId, watcher: u64) -> Result<bool> {
        fetch_bool(|ended, error| unsafe {
            ffi::hs_unwatch(self.pointer(), node.0, watcher, ended, error)
        })
    }

    /// The watchers of a node.
    pub fn watchers(&self, node: NodeId) -> Result<Vec<Watcher>> {
        let found = fetch_all(|watchers, capacity, count, error| unsafe {
            ffi::hs_watchers(self.pointer(), node.0, watchers, capacity, count, error)
        })?;
        Ok(found.iter().map(Watcher::new).collect())
    }

    /// Lists the watched nodes from `start` on in the order of their ids: to watch their files again after
    /// a restart. The list ends after an error.
    pub fn watched(&self, start: NodeId) -> impl Iterator<Item = Result<WatchedNode>> + '_ {
        Pages::new(start.0, move |start| {
            let mut next = 0;
            let page = fetch_page(PAGE, |nodes, count, error| unsafe {
                ffi::hs_watched(self.pointer(), start, nodes, PAGE, count, &mut next, error)
            })?;
            Ok((page.iter().map(WatchedNode::new).collect(), next))
        })
    }

    /// Takes up to `limit` watched nodes whose file is gone, each once: tell their watchers, and end the
    /// watches. If there are as many, there may be more. A call returns at most 65,536.
    ///
    /// A server that was killed after this call and before it told the watchers finds these nodes stale
    /// and still watched ([`Store::watched`]).
    pub fn deletions(&self, limit: usize) -> Result<Deletions> {
        let (limit, mut overflowed) = (limit.min(LIMIT), 0);
        let nodes = fetch_page(limit, |nodes, count, error| unsafe {
            ffi::hs_deletions(self.pointer(), nodes, limit, count, &mut overflowed, error)
        })?;
        Ok(Deletions::new(nodes, overflowed != 0))
    }

    /// Opens up to `limit` watched files (at most 65,536), from node `start` on, retires the nodes of those
    /// that are gone, and returns what [`Store::deletions`] returns.
    ///
    /// After a restart, sweep from `NodeId(0)` until [`Sweep::next`] is `None`, then call
    /// [`Store::deletions`] until it returns none.
    pub fn sweep(&self, start: NodeId, limit: usize) -> Result<Sweep> {
        let limit = limit.min(LIMIT);
        // SAFETY: integers may be 0.
        let mut step: ffi::hs_sweep_step = unsafe { zeroed() };
        let nodes = fetch_page(limit, |nodes, count, error| unsafe {
            let code = ffi::hs_sweep(self.pointer(), start.0, nodes, limit, &mut step, error);
            *count = usize::try_from(step.count).unwrap_or(limit);
            code
        })?;
        Ok(Sweep {
            deletions: Deletions::new(nodes, step.overflowed != 0),
            next: NodeId::known(step.next),
            present: step.present,
            gone: step.gone,
            skipped: step.skipped,
        })
    }
}

impl Watcher {
    fn new(watcher: &ffi::hs_watch_mask) -> Watcher {
        Watcher { number: watcher.id, mask: watcher.mask }
    }
}

impl WatchedNode {
    fn new(node: &ffi::hs_watch_mask) -> WatchedNode {
        WatchedNode { node: NodeId(node.id), mask: node.mask }
    }
}

impl Deletions {
    fn new(nodes: Vec<u64>, overflowed: bool) -> Deletions {
        Deletions { nodes: nodes.into_iter().map(NodeId).collect(), overflowed }
    }
}
