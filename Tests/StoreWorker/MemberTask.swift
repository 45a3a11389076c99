import Foundation
import HandleStore
import SystemPackage
import TestSupport

#if !THREAD_SANITIZER
  import PostgresNodeIndex
#endif

/// `member DATABASE NAME DIRECTORY RUN`: a gateway that uses a store until it is killed, and writes its
/// history. In the directory, which all gateways have in common, are the histories, the files, and ids for
/// others to try.
struct MemberTask: Sendable {
  let store: Store
  let history: History
  let synthetic: FilesystemID
  let shared: FilesystemID
  let files: FilePath
  let made: Board
  /// Few nodes, at which all look, so that all have them in memory. They soon become stale.
  let popular: Board
  /// Those at which this process has looked.
  let known = KnownNodes()
  let real: Board
  let run: UInt64

  init(_ arguments: [String], _ open: (String, String) throws -> Store) throws {
    guard arguments.count == 4, let run = UInt64(arguments[3]) else {
      throw Tasks.Usage("member \(arguments)")
    }
    self.run = run
    let directory = FilePath(arguments[2])
    let files = directory.appending("files")
    history = try History(directory.appending("history-\(run)"))
    made = try Board(directory.appending("made"))
    popular = try Board(directory.appending("popular"), places: 64)
    real = try Board(directory.appending("real"))
    let store = try whileAway { try open(arguments[0], arguments[1]) }
    synthetic = try whileAway { try Synthetic.attach(to: store) }
    shared = try whileAway { try store.attach(files) }
    (self.store, self.files) = (store, files)
  }

  func workUntilKilled() throws {
    Tasks.say("working")
    _ = try inThreads(7) { number -> Void in
      let random = SeededGenerator(seed: run << 8 | UInt64(number))
      switch number {
      case 0, 1:
        var member = WritingMember(
          task: self, random: random, firstKey: run << 32 | UInt64(number) << 28)
        try repeating { try member.step() }
      case 2:
        var member = FileMember(
          task: self, random: random, nextKey: HistoryFile.firstRealKey | run << 32)
        try repeating { try member.step() }
      case 3, 4:
        var member = ReadingMember(task: self, random: random)
        try repeating { try member.step() }
      case 5:
        var member = RememberingMember(task: self, random: random)
        try repeating { try member.step() }
      default: try repeating { try takeDeletions() }
      }
    }
  }

  /// Goes on when the database was away for too long, or its disk was full.
  private func repeating(_ step: () throws -> Void) throws {
    while true {
      do {
        try step()
      } catch let error as StoreError where [.noSpace, .timedOut].contains(error.errno) {
        usleep(20_000)
      }
      usleep(5000)
    }
  }

  private func takeDeletions() throws {
    usleep(50_000)
    try history.record(.deletions) { HistoryResult(try store.deletions()) }
  }
}

/// Ids that processes leave for others, which take any of them.
struct Board: Sendable {
  private let places: Int
  private let file: FileDescriptor

  init(_ path: FilePath, places: Int = 2048) throws {
    self.places = places
    file = try .open(
      path, .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
  }

  func put(_ node: UInt64, _ random: inout SeededGenerator) throws {
    let place = Int64(Int.random(in: 0..<places, using: &random) * 8)
    _ = try file.writeAll(toAbsoluteOffset: place, Synthetic.little(node))
  }

  func take(_ random: inout SeededGenerator) throws -> UInt64? {
    let place = Int64(Int.random(in: 0..<places, using: &random) * 8)
    var node: UInt64 = 0
    let count = try withUnsafeMutableBytes(of: &node) {
      try file.read(fromAbsoluteOffset: place, into: $0)
    }
    return count == 8 && node != 0 ? node : nil
  }
}

/// Runs a body, however long the database is away.
private func whileAway<R>(_ body: () throws -> R) throws -> R {
  while true {
    do {
      return try body()
    } catch StoreError.system(.timedOut, _) {
      usleep(10_000)
    }
  }
}

extension Tasks {
  static func member(_ arguments: [String]) throws {
    #if !THREAD_SANITIZER
      let options = GatewayOptions(lease: .seconds(2), patience: .seconds(5))
      let task = try MemberTask(arguments) { database, name in
        // Its predecessor's. Somebody else who has the name may use it; then it goes without.
        let cache = FilePath(arguments[2]).appending("cache-\(name)")
        do {
          return try Store(
            shared: database, cache: cache, gateway: name, options: StoreOptions(cacheSize: 1024),
            gatewayOptions: options)
        } catch StoreError.system(.resourceBusy, _) {
          return try Store(shared: database, gateway: name, gatewayOptions: options)
        }
      }
      try task.workUntilKilled()
    #endif
  }
}
