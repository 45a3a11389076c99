use std::fmt;

use crate::error::{Error, Result};
use crate::ffi;
use crate::values::FileHandle;

/// The id of a node. It belongs to one file for ever. 1 names the root of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// How clients name the root of an export.
    pub const ROOT: NodeId = NodeId(1);

    /// Returns the node with an id, or `None` for 0.
    #[inline]
    pub(crate) fn known(id: u64) -> Option<NodeId> {
        (id != 0).then_some(NodeId(id))
    }

    /// Returns the id of a node, or 0 for none.
    pub(crate) fn raw(node: Option<NodeId>) -> u64 {
        node.map_or(0, |node| node.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The store's number for a filesystem. The filesystem keeps it when it is mounted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilesystemId(pub u32);

impl fmt::Display for FilesystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Its file was there when the store last looked.
    Live,
    /// Its file is gone. It never comes back.
    Stale,
}

impl State {
    pub(crate) fn raw(state: Option<State>) -> u32 {
        match state {
            None => 0,
            Some(State::Live) => ffi::HS_STATE_LIVE,
            Some(State::Stale) => ffi::HS_STATE_STALE,
        }
    }
}

/// The store's record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// The node's id.
    pub id: NodeId,
    /// The node of its directory, if it is known.
    pub parent: Option<NodeId>,
    /// The filesystem of its file.
    pub filesystem: FilesystemId,
    /// Whether its file is gone.
    pub state: State,
    /// The file's type, as in `st_mode & S_IFMT`.
    pub file_type: u32,
    /// When it entered its state, in seconds since 1970.
    pub since: u32,
    /// The file's handle.
    pub handle: FileHandle,
}

impl Node {
    #[inline]
    pub(crate) fn new(node: &ffi::hs_node) -> Result<Node> {
        Ok(Node {
            id: NodeId(node.id),
            parent: NodeId::known(node.parent),
            filesystem: FilesystemId(node.filesystem),
            state: match node.state {
                ffi::HS_STATE_LIVE => State::Live,
                ffi::HS_STATE_STALE => State::Stale,
                other => return Err(unknown("the state of a node", other)),
            },
            file_type: node.type_,
            since: node.since,
            handle: FileHandle(node.handle),
        })
    }
}

/// What a registration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The file has got a new node.
    Created,
    /// The file has the node that it had.
    Existing,
    /// The file has got a new node, and the file that had the inode number before is gone: its node,
    /// which is this, is stale now. A server invalidates it before it replies.
    Replaced(NodeId),
}

/// The node of a file that was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The node's id.
    pub node: NodeId,
    /// What goes on the wire with the id; the same for all nodes of a store.
    pub generation: u32,
    /// What the registration did.
    pub outcome: Outcome,
}

impl Registration {
    /// Returns what the library says about a file; `None` if another file has its inode number now.
    pub(crate) fn of(done: &ffi::hs_registration) -> Result<Option<Registration>> {
        let outcome = match done.outcome {
            ffi::HS_OUTCOME_CREATED => Outcome::Created,
            ffi::HS_OUTCOME_EXISTING => Outcome::Existing,
            ffi::HS_OUTCOME_REPLACED => Outcome::Replaced(NodeId(done.replaced)),
            ffi::HS_OUTCOME_GONE => return Ok(None),
            other => return Err(unknown("the outcome of a registration", other)),
        };
        Ok(Some(Registration { node: NodeId(done.node), generation: done.generation, outcome }))
    }

    /// Returns what the library says about one file, which is not gone.
    pub(crate) fn new(done: &ffi::hs_registration) -> Result<Registration> {
        Registration::of(done)?
            .ok_or_else(|| unknown("the outcome of a registration", ffi::HS_OUTCOME_GONE))
    }
}

fn unknown(what: &str, number: u32) -> Error {
    Error::unexpected(format!(
        "{what} is {number}, which this version of the crate does not know; use a later one"
    ))
}
