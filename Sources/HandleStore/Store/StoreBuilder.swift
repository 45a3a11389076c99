package import SystemPackage

/// Makes a store in a directory out of what another engine has.
///
/// It has the same nodes, under the same ids. When it is first opened for writing it becomes a store of
/// its own, as a backup does: it hands out ids far above those of the original.
package final class StoreBuilder {
  private let contents: StoreContents
  private let directory: OpenDirectory
  private let environment: Environment
  private let tables: Tables
  private var isClosed = false

  /// - Parameter path: the directory. It must not exist or must be empty.
  package init(at path: FilePath, _ contents: StoreContents) throws {
    self.contents = contents
    directory = try Backup.emptyDirectory(at: path)
    var mode = EnvironmentMode()
    mode.noSync = true
    do {
      environment = try Environment(
        directory: directory, mode: mode, mapSize: Environment.initialMapSize, tables: Tables.count)
    } catch {
      Backup.remove(directory)
      throw StoreError(ofLMDB: error, path: path)
    }
    do {
      tables = try Tables(environment, create: true)
    } catch {
      environment.stop()
      environment.close(trimming: false)
      Backup.remove(directory)
      throw StoreError(ofLMDB: error, path: path)
    }
  }

  /// Puts what does not belong to a node. Call this first.
  package func begin() throws {
    try tables.mark(environment, store: contents.number)
    try environment.commit { transaction in
      for (id, known) in contents.filesystems {
        try transaction.put(FilesystemRecord.encode(known, id), for: id, in: tables.filesystems)
      }
    }
  }

  /// Adds nodes, in the order of their ids.
  package func append(_ nodes: [WholeNode]) throws {
    try environment.commit { transaction in
      for node in nodes {
        try tables.append(node, on: contents.filesystems, in: transaction)
      }
    }
  }

  /// Finishes the store, and makes it durable.
  package func finish(files: any SmallFiles) throws {
    try environment.commit { transaction in
      for node in contents.limbo {
        try tables.put(LimboRow(node.id, isReported: node.isReported), in: transaction)
      }
      if contents.hasOverflowed { try tables.put(.overflow, in: transaction) }
    }
    try environment.sync()
    close()
    try StateFile(
      store: contents.number, incarnation: contents.incarnation, idBound: contents.idBound,
      session: .closed, durability: .process, era: try Era(of: directory), directory: nil
    ).write(in: directory)
    try files.copy(of: contents.number, to: directory)
    try directory.syncParent()
  }

  /// Ends the work after an error, and leaves no store. Returns what to tell the user.
  package func failed(_ error: any Error) -> StoreError {
    close()
    Backup.remove(directory)
    return StoreError(ofLMDB: error, path: directory.path)
  }
}

extension StoreBuilder {
  private func close() {
    guard !isClosed else { return }
    isClosed = true
    environment.stop()
    environment.close(trimming: true)
  }
}

// MARK: The other way

extension Store {
  /// Gives a body all that the store has, in parts: for a copy of it in another engine. No other process
  /// writes meanwhile, because this one has the store open for writing.
  ///
  /// - Parameters:
  ///   - begin: gets what the store has besides its nodes, and its small files.
  ///   - append: gets some of the nodes, in the order of their ids.
  package func read(
    begin: (StoreContents, any SmallFiles) throws -> Void, append: ([WholeNode]) throws -> Void
  ) throws(StoreError) {
    try withStoreErrors {
      try requireWriting()
      let index = try lmdb
      try begin(try index.contents(), files)
      var next: NodeID? = .root
      while let start = next {
        let page = try index.wholeNodes(from: start, limit: 1024)
        try append(page.nodes)
        next = page.next
      }
    }
  }
}
