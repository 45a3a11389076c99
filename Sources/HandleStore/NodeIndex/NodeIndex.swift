/// The core of a store: which file has which node. An engine implements it: on LMDB
/// (``LMDBNodeIndex``), in memory (``MemoryNodeIndex``), or on a PostgreSQL server for several hosts
/// (`PostgresNodeIndex`, a library of its own).
///
/// What follows is the contract; an engine can be written from it alone.
///
/// **Nodes.** A node is minted once, has an id, and is live or stale. An id is never used again,
/// neither after a crash nor on another host that uses the same index. Ids grow: a node that a call
/// mints has a higher id than every node that this process knew before the call began. (An engine may
/// reserve ids in ranges; after a crash it skips the rest of the range. If several processes use an
/// index, each has ranges of its own.) A stale node stays stale.
///
/// **Aliases.** If a node's file is copied up, the node keeps its former handle as an alias. The
/// alias still leads to the node, whether the node is live or stale. An alias is removed when its
/// node is dropped, when another file gets its key, or by ``remove(_:)``.
///
/// **Keys.** Each live node and each alias has a key in the index, by which its file is found: a
/// handle of a known layout by filesystem and inode (``FileKey`` without its generation), an opaque
/// handle by filesystem and all its bytes. A key belongs to one node. For opaque handles there is
/// also a hint: the node that was last registered with an `st_ino`. If another node or an alias has a
/// file's key or hint, ``FileRelation`` decides what happens, and nothing else does.
///
/// **Changes.** Each call that changes something is atomic, and durable as the store promises when
/// it returns. After an error nothing has changed, unless the call says otherwise. An engine may
/// run a change again, for example after its storage has grown, so closures must be repeatable. It may
/// also commit several changes together.
///
/// **The kernel.** An engine never calls the kernel about a file. If only the kernel can decide, a
/// call changes nothing and returns the file that competes. The caller then asks the kernel, and
/// calls again with the answer (``Survivors``).
///
/// **Threads.** Any thread may make any call. A reading call sees all changes whose calls returned
/// before it began.
///
/// **Errors.** ``StoreError/readOnly`` from each changing call of an index opened for reading;
/// ``StoreError/closed``; ``StoreError/damaged(_:)`` if what is stored contradicts itself;
/// ``StoreError/diskFull(path:)``; ``StoreError/unknownFilesystem(_:)`` for a filesystem that was
/// never recorded. A call may instead throw an error of the engine's own, such as ``LMDBError``;
/// ``describe(_:)`` turns it into one of these.
package protocol NodeIndex: AnyObject, Sendable {
  /// The generation that goes on the wire with each node id: a random number, chosen when the index
  /// was made.
  var incarnation: UInt32 { get }
  /// Whether other processes change the nodes too.
  var isShared: Bool { get }
  /// The filesystems on record, as this process knows them.
  var filesystems: KnownFilesystems { get }
  /// The cache of records; `nil` if the engine has none. The engine replaces a record here before
  /// the call that changed it returns.
  var cache: NodeCache? { get }

  // MARK: Reading

  /// Returns a node, in any state; `nil` if no node has the id. Callers look into ``cache`` first.
  func node(_ id: NodeID) throws -> Node?

  /// Returns the node of the file that a handle names, also if the handle is an alias. Returns `nil`
  /// if no node has the handle's key, or if the key belongs to another file.
  func node(of handle: KernelFileHandle, on filesystem: FilesystemID) throws -> Node?

  /// Returns at most `limit` nodes, 1 or more, in the order of their ids, from `start` on. Looks at
  /// no more than 16 × `limit` nodes, and says where to continue. All come from one snapshot.
  func nodes(
    from start: NodeID, limit: Int, on filesystem: FilesystemID?, in state: NodeState?
  ) throws -> NodePage

  /// Returns all aliases of at most `limit` nodes, 1 or more, in the order of the nodes' ids, from
  /// `start` on.
  func aliases(from start: NodeID, nodes limit: Int) throws -> AliasPage

  /// How many nodes there are, in all states.
  func count() throws -> Int

  /// Returns the directories in which a node's file was seen, other than its `parent`, by id.
  func furtherParents(of id: NodeID) throws -> [NodeID]

  // MARK: Registering

  /// Registers a file: finds the node that has its key, or mints one.
  ///
  /// What happens to the node or the alias that has the file's key depends on the relation
  /// (``FileRelation``) of the candidate to that node's or alias's file:
  ///
  /// - `same`: the result is `existing`. If an alias has the key, the result names its node; if that
  ///   node is stale, or on a filesystem that was put back, the alias is removed and the candidate
  ///   gets a node of its own. If a node has the key, the parent of the candidate is recorded: as
  ///   `parent` if there was none, or if the file can have only one name; otherwise as a further
  ///   parent.
  /// - `contested`: nothing changes, and the result names the other file.
  /// - `replaced`: the node becomes stale and loses its key, or the alias is removed; the candidate
  ///   gets a node. The result is `replaced` if a node became stale, else `created`.
  /// - `stale`: nothing changes.
  /// - `separate`: the node keeps its key and loses the hint, and the candidate gets a node.
  ///
  /// If several threads or processes register one file at the same time, exactly one gets `created`.
  /// A full disk does not prevent the result for a file that is already registered.
  func register(
    _ candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt

  /// Registers several files in one change, each as the call for one file does. Candidates with the same
  /// key, and those with opaque handles, are registered in their order, others in any. A candidate that is contested or stale does not
  /// keep the others from being registered.
  func register(
    batch candidates: [FoundFile], on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> [RegistrationAttempt]

  /// Records that the file of a live node has a name in the candidate's `parent`, as registering it
  /// there does.
  ///
  /// - Returns: whether the node is live. If not, nothing changes.
  func recordParent(of id: NodeID, _ candidate: FoundFile) throws -> Bool

  /// Gives a live node another file. If the new file had a node of its own, that node becomes stale.
  /// The former handle becomes an alias, unless the new file has the same key. If the candidate has a
  /// parent, it is recorded; otherwise the node keeps its own. The relations of the new file to other
  /// nodes and aliases are decided as for a registration. If the node already has the file, nothing
  /// changes.
  ///
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``, ``StoreError/badValue(_:)`` if
  ///   the files' types differ.
  func move(
    _ id: NodeID, to candidate: FoundFile, on filesystem: FilesystemID, _ survivors: Survivors
  ) throws -> RegistrationAttempt

  // MARK: Removing

  /// Makes a live node stale: it loses its keys and its further parents, and if it is watched, it
  /// goes to limbo.
  ///
  /// - Parameter file: if given, the node becomes stale only if its filesystem and handle are still
  ///   those of this value.
  /// - Returns: whether the node became stale.
  /// - Throws: ``StoreError/unknownNode(_:)``.
  func retire(_ id: NodeID, ifItIs file: Node?) throws -> Bool

  /// Removes an alias, if its node still has it; returns whether it did.
  func remove(_ alias: Alias) throws -> Bool

  /// Removes those of some nodes that may be dropped (``Dropping``), with their aliases, in the given
  /// order.
  ///
  /// - Returns: how many were removed.
  func drop(_ dropping: Dropping) throws -> Int

  // MARK: Holding

  /// Tells the index what holds nodes in this process: once, before all other calls.
  func use(_ holds: any NodeHolds)

  /// Called before a client's pins are taken up, so that the other processes know that this one has pins.
  func beginPinning() throws

  /// Called if something in this process has held nodes since a moment at which others may have wanted
  /// to drop them. Keeps them from doing so, if it is not too late; then no call finds the node any more.
  func keep(_ ids: [NodeID]) throws

  /// Asks the other processes for nodes that are to be dropped, and returns what they agree to. Until
  /// this process drops these, the others hold none of them without asking (``keep(_:)``).
  ///
  /// - Throws: ``StoreError/system(_:_:)`` with `EBUSY` if one of them does not answer.
  func agreement(on dropping: Dropping) throws -> Dropping

  // MARK: Filesystems

  /// Reads the filesystems on record again, if another process may have added some.
  func reloadFilesystems() throws

  /// Runs a body that looks for a filesystem on record and records a new one if there is none. Until it
  /// ends, no other process records one that the body has not seen.
  func introducing<R>(_ body: () throws -> R) throws -> R

  /// Records what is known of a filesystem.
  ///
  /// - Parameter change: returns what to record, given what was known before; `nil` changes nothing.
  func record(
    _ filesystem: FilesystemID, _ change: @escaping @Sendable (KnownFilesystem?) -> KnownFilesystem?
  ) throws

  // MARK: Watches

  /// Puts a watch on a live node, or replaces its mask.
  ///
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``.
  func watch(_ watch: Watch) throws

  /// Removes a watch. With its last watch, a node leaves limbo.
  ///
  /// - Returns: whether there was such a watch.
  func unwatch(_ id: NodeID, by watcher: WatcherID) throws -> Bool

  /// Returns the watches of a node, in the order of their watchers.
  func watches(of id: NodeID) throws -> [Watch]

  /// Returns at most `limit` watched nodes, 1 or more, in the order of their ids, from `start` on.
  func watchedNodes(from start: NodeID, limit: Int) throws -> WatchedNodePage

  /// Returns the nodes in limbo: first those that were reported, each group in the order of ids.
  func limbo() throws -> [LimboNode]

  /// Returns at most `limit` nodes in limbo that were not reported, and marks them as reported.
  /// Says, once, whether limbo overflowed: when a node enters a full limbo, the first node of
  /// ``limbo()`` loses its watches and leaves it.
  func takeDeletions(limit: Int) throws -> Deletions

  // MARK: The end

  /// Ends all calls, makes everything durable, and closes the index. Later calls throw
  /// ``StoreError/closed``; a second call of this one does nothing.
  func close() throws

  /// Turns an error of a call into the one that a user gets.
  func describe(_ error: any Error) -> StoreError
}

/// An index that one process has to itself asks nobody.
extension NodeIndex {
  package func use(_ holds: any NodeHolds) {}
  package func beginPinning() throws {}
  package func keep(_ ids: [NodeID]) throws {}
  package func agreement(on dropping: Dropping) throws -> Dropping { dropping }
}

extension StoreError {
  /// The error for a node that is to get a file of another type.
  package static func otherType(than id: NodeID) -> StoreError {
    .badValue("the copy has another type than the file of node \(id); give a copy of that file")
  }
}

/// The result of registering a file.
package enum RegistrationAttempt: Sendable {
  case done(Registration)
  /// Nothing was changed: this other file has the candidate's key or hint, and the kernel must say
  /// which of the two exists.
  indirect case contested(FileRelation.File)
}

/// Which nodes to drop.
package struct Dropping: Sendable {
  /// The nodes to consider, in the order in which to drop them.
  package var ids: [NodeID]
  /// Returns whether something holds a node. The engine calls it within the change.
  package let isHeld: @Sendable (NodeID) -> Bool
  /// Whether live nodes stay.
  package var onlyStale = false
  /// Nodes that entered their state less than this many seconds ago stay.
  package var age: UInt32 = 0
  /// How many nodes, in all states, must stay in the index.
  package var leaving = 0
  /// How many nodes to drop at most.
  package var limit = Int.max

  /// Whether a node may be dropped: it is old enough, not held, not watched, and not live with
  /// aliases. Only the aliases lead from a file to its copy; without them, an old handle would open
  /// the original.
  func allows(
    _ id: NodeID, _ record: Record, at now: UInt32, isWatched: () throws -> Bool,
    hasAliases: () throws -> Bool
  ) rethrows -> Bool {
    guard record.isOlder(than: age, at: now), !(onlyStale && record.state == .live),
      !isHeld(id), try !isWatched()
    else { return false }
    return try record.state != .live || !hasAliases()
  }
}
