import Formatting
import HandleStore
import SystemPackage

/// Registers a directory tree, one batch of files in each transaction.
///
/// It opens each directory by its node. So it needs no path and only one directory descriptor at a
/// time, however deep the tree is. For each directory that it still has to read, it keeps 16 bytes.
struct TreeIndexer {
  /// A directory to read, and its estimated share of the whole tree.
  private struct Pending {
    var node: NodeID
    var share: Double
  }

  /// The most files to register in one transaction.
  private static let batchSize = 4096

  private let store: Store
  private let filesystem: FilesystemID
  private let mount: Int32?
  /// The status of the store's directory. The walk leaves it out if it is in the tree, because its
  /// files come and go with each run.
  private let ownDirectory: FileStatus?
  private var pending: [Pending] = []
  private var batch: [FoundFile] = []
  /// For each directory in the batch, its index there and its share.
  private var directories: [(index: Int, share: Double)] = []
  private var progress = ProgressBar()
  private(set) var counts = IndexCounts()

  /// Starts with the top directory, which `root` has open and `found` describes.
  ///
  /// - Parameter path: the store's directory, if it is in one.
  init(
    into store: Store, at path: FilePath?, root: FileDescriptor, found: FoundFile
  ) throws {
    self.store = store
    filesystem = try store.attach(root)
    mount = found.mount
    ownDirectory = try path.map { path in
      let own = try openDirectory(path)
      return try own.closeAfter { try FileStatus(of: own) }
    }
    directories = [(0, 1)]
    batch = [found]
  }

  mutating func run() throws {
    while !batch.isEmpty || !pending.isEmpty {
      // A directory must have a node before it can be entered.
      if batch.count >= Self.batchSize || pending.isEmpty { try register() }
      if let next = pending.popLast() { try enter(next) }
    }
    progress.end()
  }

  private mutating func register() throws {
    let results = try registered()
    for (file, result) in zip(batch, results) {
      counts.count(result, spilled: file.handle.isSpilled)
    }
    for (index, share) in directories {
      pending.append(Pending(node: results[index].node, share: share))
    }
    batch.removeAll(keepingCapacity: true)
    directories.removeAll(keepingCapacity: true)
    progress.show(counts)
  }

  /// Registers the batch and returns the results. Leaves files that have vanished out of the batch.
  private mutating func registered() throws -> [Registration] {
    while true {
      do throws(StoreError) {
        return try store.register(batch: batch, on: filesystem)
      } catch {
        guard case .wrongFilesystem(let handle, _) = error else { throw error }
        while let i = batch.firstIndex(where: { $0.handle == handle }) { leaveOut(i) }
      }
    }
  }

  private mutating func leaveOut(_ index: Int) {
    batch.remove(at: index)
    counts.refused += 1
    directories.removeAll { $0.index == index }
    for i in directories.indices where directories[i].index > index { directories[i].index -= 1 }
  }

  private mutating func enter(_ directory: Pending) throws {
    let descriptor: FileDescriptor
    do throws(StoreError) {
      descriptor = try store.open(directory.node, as: .readOnly)
    } catch {
      return try refuse(directory, error)
    }
    counts.directories += 1
    try descriptor.closeAfter { try read(directory, descriptor) }
  }

  /// Counts a directory that cannot be opened. Rethrows errors that do not concern this one
  /// directory alone.
  private mutating func refuse(_ directory: Pending, _ error: StoreError) throws {
    switch error {
    case .stale, .unknownNode, .notOpenable, .system:
      counts.refused += 1
      progress.advance(directory.share)
    default: throw error
    }
  }

  private mutating func read(_ directory: Pending, _ descriptor: FileDescriptor) throws {
    var entries = DirectoryEntries(of: descriptor)
    var share = directory.share
    var first = directories.count
    while let entry = next(&entries) {
      try take(entry.name, in: descriptor, of: directory.node)
      guard batch.count >= Self.batchSize else { continue }
      // More entries may follow, so those read so far get half of the share.
      share /= 2
      divide(share, among: first)
      try register()
      first = 0
    }
    divide(share, among: first)
  }

  private mutating func next(_ entries: inout DirectoryEntries) -> DirectoryEntries.Entry? {
    do throws(StoreError) {
      return try entries.next()
    } catch {
      counts.refused += 1
      return nil
    }
  }

  private mutating func take(
    _ name: FilePath, in descriptor: FileDescriptor, of parent: NodeID
  ) throws {
    guard let found = try find(name, in: descriptor, of: parent) else {
      if isElsewhere(name, descriptor) { counts.skipped += 1 } else { counts.refused += 1 }
      return
    }
    guard found.mount == mount, !(ownDirectory.map { found.status.isOfSameFile(as: $0) } ?? false)
    else {
      return counts.skipped += 1
    }
    if found.status.type == .directory { directories.append((batch.count, 0)) }
    batch.append(found)
  }

  /// Returns the file that a name leads to, or `nil` if no handle can be made of it.
  private func find(
    _ name: FilePath, in descriptor: FileDescriptor, of parent: NodeID
  ) throws -> FoundFile? {
    do throws(StoreError) {
      return try FoundFile(name: name, in: descriptor, parent: parent)
    } catch {
      guard ![.tooManyOpenFiles, .noMemory].contains(error.errno) else {
        throw SystemFailure(what: "making a file handle of \(Text.path(name))", errno: error.errno)
      }
      return nil
    }
  }

  /// Returns whether another filesystem is mounted at a name. That filesystem may have no file
  /// handles, which does not matter to this walk.
  private func isElsewhere(_ name: FilePath, _ descriptor: FileDescriptor) -> Bool {
    (try? FoundFile.mount(resolving: name, in: descriptor)).map { $0 != mount } ?? false
  }

  /// Divides a directory's share equally among the directories found in it and the directory
  /// itself.
  private mutating func divide(_ share: Double, among first: Int) {
    let part = share / Double(directories.count - first + 1)
    for i in first..<directories.count { directories[i].share = part }
    progress.advance(part)
  }
}
