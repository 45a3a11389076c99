import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// `write STORE DURABILITY LOG RUN`, `gateway DATABASE NAME LOG RUN`: changes a store from several threads
/// until it is killed, and logs what was acknowledged.
struct WriteTask {
  private static let threads = 4
  private let store: Store
  private let filesystem: FilesystemID
  private let log: AcknowledgementLog
  private let run: UInt64
  /// Whether threads and processes also register files of each other.
  private let isShared: Bool

  init(_ arguments: [String], isShared: Bool = false, _ open: (String, String) throws -> Store)
    throws
  {
    guard arguments.count == 4, let run = UInt64(arguments[3]) else {
      throw Tasks.Usage("write \(arguments)")
    }
    store = try open(arguments[0], arguments[1])
    filesystem = try Synthetic.attach(to: store)
    log = try AcknowledgementLog(FilePath(arguments[2]))
    self.run = run
    self.isShared = isShared
  }

  func writeUntilKilled() throws {
    Tasks.say("writing")
    _ = try inThreads(Self.threads) { number -> Void in
      var thread = WritingThread(
        store: store, filesystem: filesystem, log: log,
        firstKey: run << 32 | UInt64(number) << 28, isShared: isShared)
      while true {
        do {
          try thread.step()
        } catch StoreError.system(.timedOut, _) {
          // The database was away for too long.
        }
      }
    }
  }
}

/// One thread's keys, and what it does with them.
private struct WritingThread {
  let store: Store
  let filesystem: FilesystemID
  let log: AcknowledgementLog
  var random: SeededGenerator
  var nextKey: UInt64
  let isShared: Bool
  /// Its live files.
  var files: [(key: UInt64, generation: UInt32, node: NodeID)] = []

  init(
    store: Store, filesystem: FilesystemID, log: AcknowledgementLog, firstKey: UInt64,
    isShared: Bool
  ) {
    self.isShared = isShared
    self.store = store
    self.filesystem = filesystem
    self.log = log
    nextKey = firstKey
    random = SeededGenerator(seed: firstKey)
  }

  mutating func step() throws {
    switch Int.random(in: 0..<(isShared ? 12 : 10), using: &random) {
    case 10, 11: try registerCommon()
    case 0: try retire()
    case 1: try reuse()
    case 2, 3: try register(count: .random(in: 2...30, using: &random))
    default: try register(count: 1)
    }
  }

  private mutating func register(count: Int) throws {
    let keys = (0..<UInt64(count)).map { nextKey + $0 }
    nextKey += UInt64(count)
    let found = try log.registering(keys, in: store, on: filesystem)
    for (key, result) in zip(keys, found) { files.append((key, 1, result.node)) }
  }

  /// Registers a file that other threads and processes register too.
  private mutating func registerCommon() throws {
    let key = AcknowledgementLog.firstCommonKey + .random(in: 0..<2000, using: &random)
    let found = try store.register(Synthetic.file(key), on: filesystem)
    log.append([.registered(key: key, generation: 1, node: found.node.rawValue)])
    if found.outcome == .created { log.append([.created(key: key)]) }
  }

  private mutating func retire() throws {
    guard let index = files.indices.randomElement(using: &random) else { return }
    let file = files.remove(at: index)
    log.append([.intent(key: file.key)])
    try store.retire(file.node)
    log.append([.stale(key: file.key, node: file.node.rawValue)])
  }

  private mutating func reuse() throws {
    guard let index = files.indices.randomElement(using: &random) else { return }
    let file = files[index]
    log.append([.intent(key: file.key)])
    let found = try store.register(
      Synthetic.file(file.key, generation: file.generation + 1), on: filesystem)
    log.append([
      .stale(key: file.key, node: file.node.rawValue),
      .registered(
        key: file.key, generation: file.generation + 1, node: found.node.rawValue),
    ])
    files[index] = (file.key, file.generation + 1, found.node)
  }
}

extension AcknowledgementLog {
  /// Registers files, one alone or several in a batch, and logs that they are acknowledged.
  func registering(
    _ keys: [UInt64], in store: Store, on filesystem: FilesystemID
  ) throws -> [Registration] {
    let candidates = keys.map { Synthetic.file($0) }
    let found =
      keys.count == 1
      ? [try store.register(candidates[0], on: filesystem)]
      : try store.register(batch: candidates, on: filesystem)
    append(zip(keys, found).map { .registered(key: $0, generation: 1, node: $1.node.rawValue) })
    return found
  }
}
