extension Store {
  /// Returns the handles that a node's file had before it was copied up.
  ///
  /// - Returns: the aliases, in no order; none if the store has no such node.
  /// - Throws: ``StoreError/damaged(_:)``, ``StoreError/closed``, ``StoreError/forked``.
  /// - Complexity: O(log nodes). Any thread.
  public func aliases(of id: NodeID) throws(StoreError) -> [Alias] {
    try withStoreErrors { try index.aliases(from: id, nodes: 1).aliases.filter { $0.node == id } }
  }

  /// Returns the aliases of the nodes with ids from `first` to `last`.
  package func aliases(
    from first: NodeID, to last: NodeID
  ) throws(StoreError) -> [NodeID: [Alias]] {
    try withStoreErrors {
      var found: [NodeID: [Alias]] = [:]
      var next: NodeID? = first
      while let start = next, start <= last {
        let page = try index.aliases(from: start, nodes: 1024)
        for alias in page.aliases where alias.node <= last {
          found[alias.node, default: []].append(alias)
        }
        next = page.next
      }
      return found
    }
  }

  /// Gives a node another file: the copy of its file on the upper layer of a union.
  ///
  /// In one atomic write, the node gets the new handle and keeps the old one as an alias. A token or
  /// a registration with the old handle still finds this node. If the new file was registered as
  /// another node meanwhile, that node is retired, and the outcome names it:
  /// ``Registration/Outcome-swift.enum/replaced(_:)``.
  ///
  /// - Parameters:
  ///   - id: the node of the file that was copied.
  ///   - file: the copy, a file of the same type. Its `parent` is the node of the directory on the
  ///     upper layer; an export looks there for the copy when the kernel has forgotten its name.
  ///   - filesystem: the copy's filesystem.
  /// - Returns: the registration of the same node.
  /// - Throws: ``StoreError/unknownNode(_:)``, ``StoreError/stale(_:)``, ``StoreError/badValue(_:)``
  ///   if the copy has another type, and what ``register(_:on:pinnedBy:)`` throws. Then nothing was
  ///   changed.
  /// - Complexity: O(log nodes), one write.
  @discardableResult
  public func copyUp(
    _ id: NodeID, to file: FoundFile, on filesystem: FilesystemID
  ) throws(StoreError) -> Registration {
    try withStoreErrors {
      try requireWriting()
      try requireOwn(file, filesystem)
      return try decided(file, on: filesystem) {
        try index.move(id, to: file, on: filesystem, $0)
      }
    }
  }
}
