import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// `fill STORE DURABILITY LOG`: opens a store, and after each line that it reads registers until the
/// disk is full or there are as many as the line says.
struct FillTask {
  private let store: Store
  private let filesystem: FilesystemID
  private let log: AcknowledgementLog
  private var key: UInt64 = 1

  init(_ arguments: [String]) throws {
    store = try Store(
      at: FilePath(arguments[0]),
      options: StoreOptions(durability: Tasks.durability(arguments[1])))
    filesystem = try Synthetic.attach(to: store)
    log = try AcknowledgementLog(FilePath(arguments[2]))
  }

  mutating func run() throws {
    Tasks.say("open")
    while let line = readLine(), let wanted = UInt64(line) {
      let end = key + wanted
      do {
        while key < end { try register(key.isMultiple(of: 7) ? 200 : 1) }
        Tasks.say("registered")
      } catch StoreError.diskFull {
        // What is known can be read, and known files can be registered, as before.
        for known in 1..<min(key, 100) {
          let found = try store.register(Synthetic.file(known), on: filesystem)
          guard found.outcome == .existing else { throw Tasks.Usage("a lost file") }
        }
        Tasks.say("full")
      }
    }
    try store.close()
    Tasks.say("closed")
  }

  private mutating func register(_ count: UInt64) throws {
    let keys = key..<(key + count)
    _ = try log.registering(Array(keys), in: store, on: filesystem)
    key += count
  }
}
