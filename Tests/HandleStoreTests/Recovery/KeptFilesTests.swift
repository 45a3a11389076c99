import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Files that are kept open because they cannot be opened by their handles. None of this needs root.
@Suite struct KeptFilesTests {
  private let test: TestStore
  private let directory: TemporaryDirectory
  private let root: FileDescriptor
  private var store: Store { test.store }

  init() throws {
    test = try TestStore()
    directory = try TemporaryDirectory()
    root = try FileDescriptor.open(directory.path, .readOnly, options: .directory)
  }

  private func keep(limit: Int = 100, parking: Parking? = nil) throws -> KeptFiles {
    try store.keepFiles(below: root, limit: limit, parking: parking)
  }

  private func open(_ name: String, _ contents: String? = nil) throws -> FileDescriptor {
    let path = directory.appending(name)
    if let contents { try write(contents, to: path) }
    return try FileDescriptor.open(path, .readOnly)
  }

  private func register(
    _ name: String, _ contents: String? = nil, in kept: KeptFiles, pinnedBy pins: Pins? = nil
  ) throws -> NodeID {
    let file = try open(name, contents)
    return try file.closeAfter { try kept.register(file, in: kept.root, pinnedBy: pins).node }
  }

  @Test func isFoundWhateverItsName() throws {
    let kept = try keep()
    let node = try register("file", "contents", in: kept)
    try rename(directory.appending("file"), to: directory.appending("other"))
    #expect(try register("other", in: kept) == node)
    #expect(try store.contents(node) == "contents")
    try succeed("ln", directory.appending("other").string, directory.appending("link").string)
    #expect(try register("link", in: kept) == node)
    try unlink(directory.appending("other"))
    try unlink(directory.appending("link"))
    #expect(try store.contents(node) == "contents")
    #expect(kept.count == 2, "the directory and the file")
    #expect(try store.open(kept.root).closeAfter { true })
  }

  @Test func aFileThatIsKeptIsOnlyAPath() throws {
    let kept = try keep()
    let program = directory.appending("program")
    try succeed("cp", "/bin/true", program.string)
    let file = try FileDescriptor.open(program, .readWrite)
    let node = try kept.register(file).node
    try file.close()
    #expect(try run(program.string).status == 0, "a file that is open for writing cannot be run")
    #expect(try store.open(node, as: .readOnly).closeAfter { true })
  }

  @Test func anotherProcessGetsTheFiles() throws {
    let sockets = try Parking.makeSockets()
    let parked = ParkedFiles()
    let receiver = Receiver(parked, sockets.its)
    let (first, second, gone) = try {
      let kept = try keep(parking: Parking(socket: sockets.mine))
      let pins = try store.pinsInMemory()
      return try (
        register("a", "1", in: kept, pinnedBy: pins), register("b", "2", in: kept, pinnedBy: pins),
        kept.giveUp(register("c", "3", in: kept))
      )
    }()
    #expect(gone)
    try test.reopen()
    try unlink(directory.appending("b"))
    let kept = try keep(parking: Parking(socket: sockets.mine))
    #expect(kept.count == 3, "the directory, a and b")
    #expect(try register("a", in: kept) == first)
    #expect(try store.contents(second) == "2")
    try sockets.mine.close()
    receiver.join()
    #expect(parked.count == 3)
  }

  /// A server may be killed while it takes the files back. What it had sent counts.
  @Test func aProcessEndsWhileItTakesBack() throws {
    let sockets = try Parking.makeSockets()
    let parked = ParkedFiles()
    let parking = Parking(socket: sockets.mine)
    try parking.park(root, of: .root)
    #expect(try parked.receive(from: sockets.its))
    // The request for all files, and then a file.
    let request: [UInt64] = [3, 0]
    _ = try request.withUnsafeBytes { try sockets.mine.writeAll($0) }
    try parking.park(root, of: NodeID(rawValue: 2))
    #expect(try parked.receive(from: sockets.its))
    try sockets.mine.close()
    #expect(try parked.receive(from: sockets.its))
    #expect(parked.count == 2)
    #expect(try !parked.receive(from: sockets.its))
    try sockets.its.close()
  }

  @Test func withoutAnotherProcessAllIsStale() throws {
    let node = try {
      let kept = try keep()
      return try register("file", "1", in: kept)
    }()
    try test.reopen()
    let kept = try keep()
    #expect(throws: StoreError.self) { try store.open(node) }
    #expect(try register("file", in: kept) != node)
  }

  @Test func whatIsHeldIsNotGivenUp() throws {
    let kept = try keep()
    let pins = try store.pinsInMemory()
    let node = try register("file", "1", in: kept, pinnedBy: pins)
    #expect(try !kept.giveUp(node))
    #expect(try store.contents(node) == "1")
    pins.unpin(node)
    #expect(try kept.giveUp(node))
    #expect(throws: StoreError.stale(node)) { try store.open(node) }
    #expect(try !kept.giveUp(kept.root), "the directory stays")
    #expect(try kept.giveUp(NodeID(rawValue: .max)))
    #expect(kept.count == 1)
  }

  /// A generation proves that the file is the same. Without one, a new file could get the inode
  /// number, and the node would name two files.
  @Test func aNodeReturnsOnlyWithAGeneration() throws {
    let own = try keep()
    let node = try register("file", "1", in: own)
    #expect(try own.isNodeLasting(#require(try store.node(node))))
    #expect(try own.giveUp(node))
    #expect(try register("file", in: own) == node)

    let served = try FileDescriptor.open("/proc", .readOnly, options: .directory)
    defer { try? served.close() }
    let other = try TestStore()
    let kept = try other.store.keepFiles(below: served, limit: 10)
    let file = try FileDescriptor.open("/proc/version", .readOnly)
    defer { try? file.close() }
    let first = try kept.register(file).node
    #expect(try kept.register(file).node == first)
    #expect(try kept.giveUp(first))
    #expect(try kept.register(file).node > first)
    #expect(try other.store.node(first) == nil)
  }

  @Test func aRemovedFileAndTheNextAreTwoNodes() throws {
    let kept = try keep()
    var seen: Set<NodeID> = []
    for i in 0..<50 {
      let node = try register("file", "\(i)", in: kept)
      #expect(seen.insert(node).inserted)
      #expect(try store.contents(node) == "\(i)")
      try unlink(directory.appending("file"))
      #expect(try kept.giveUp(node))
      #expect(throws: StoreError.self) { try store.open(node) }
    }
  }

  @Test func noMoreThanTheLimit() throws {
    #expect(throws: StoreError.self) { try keep(limit: 0) }
    let kept = try keep(limit: 3)
    let first = try register("a", "", in: kept)
    _ = try register("b", "", in: kept)
    let pins = try store.pinsInMemory()
    expect(Errno(rawValue: ENFILE)) { try register("c", "", in: kept, pinnedBy: pins) }
    #expect(pins.nodes.isEmpty)
    #expect(try register("a", in: kept) == first, "what is kept can still be registered")
    #expect(kept.leastRecentlyUsed(10).count == 2)
    #expect(try kept.giveUp(first))
    _ = try register("c", in: kept)
    #expect(throws: StoreError.self) { try keep() }
  }

  @Test func leastRecentlyUsedFirst() throws {
    let kept = try keep()
    let nodes = try (0..<10).map { try register("\($0)", "", in: kept) }
    _ = kept.leastRecentlyUsed(.max)
    for node in nodes[..<5] { try store.open(node).close() }
    #expect(Set(kept.leastRecentlyUsed(5)) == Set(nodes[5...]))
  }

  @Test func tellsWhatWasRemoved() throws {
    let kept = try keep()
    let nodes = try (0..<10).map { try register("\($0)", "", in: kept) }
    #expect(kept.nameless(amongNext: .max).isEmpty)
    for i in [3, 7] { try unlink(directory.appending("\(i)")) }
    let found = (0..<4).flatMap { _ in kept.nameless(amongNext: 3) }
    #expect(Set(found) == [nodes[3], nodes[7]])
  }

  @Test func whatLeftTheDirectoryIsOutside() throws {
    let kept = try keep()
    let outside = try TemporaryDirectory(in: directory.path.removingLastComponent())
    let node = try register("file", "1", in: kept)
    #expect(try kept.open(node).closeAfter { true })
    #expect(try kept.open(kept.root).closeAfter { true })
    try rename(directory.appending("file"), to: outside.appending("file"))
    expect(Errno(rawValue: ESTALE)) { try kept.open(node) }
    try rename(outside.appending("file"), to: directory.appending("in"))
    #expect(try kept.open(node).closeAfter { true })
    try unlink(directory.appending("in"))
    expect(Errno(rawValue: ESTALE)) { try kept.open(node) }
    #expect(try store.contents(node) == "1", "whoever has it open goes on")
  }

  @Test func threadsKeepOneNode() throws {
    let kept = try keep()
    let pins = try store.pinsInMemory()
    try write("1", to: directory.appending("file"))
    let (store, path) = (store, directory.appending("file"))
    _ = try inThreads(4) { _ in
      for _ in 0..<500 {
        let file = try FileDescriptor.open(path, .readOnly)
        defer { try? file.close() }
        let node = try kept.register(file, pinnedBy: pins).node
        #expect(try store.open(node).closeAfter { true }, "it is pinned")
        if pins.unpin(node) == 0 { try kept.giveUp(node) }
      }
    }
  }
}

/// A thread that does what a supervisor does.
private final class Receiver: @unchecked Sendable {
  private let ended = DispatchSemaphore(value: 0)

  init(_ parked: ParkedFiles, _ socket: FileDescriptor) {
    let ended = ended
    Thread.detachNewThread {
      while (try? parked.receive(from: socket)) == true {}
      ended.signal()
    }
  }

  func join() { ended.wait() }
}
