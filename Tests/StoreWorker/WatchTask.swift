import Foundation
import HandleStore
import SystemPackage
import TestSupport

extension Tasks {
  /// `watch STORE LOG`: registers and watches 1,000 files, retires them one by one from a thread, and
  /// takes the deletions, 7 at the most at a time, and logs them, until it is killed.
  static func watch(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    let log = try FileDescriptor.open(
      FilePath(arguments[1]), .writeOnly, options: [.create, .append, .closeOnExec],
      permissions: .ownerReadWrite)
    let ids = try store.register(
      batch: (0..<1000).map { Synthetic.file($0) }, on: filesystem
    ).map(\.node)
    for id in ids { try store.watch(id, mask: .deleteSelf, by: WatcherID(rawValue: 1)) }
    say("watching")
    _ = try inThreads(2) { number in
      if number == 0 {
        for id in ids { try store.retire(id) }
        while true { pause() }
      }
      while true {
        let nodes = try store.deletions(atMost: 7).nodes
        let bytes = Array(nodes.map { "\($0);\n" }.joined().utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(log.rawValue, $0.baseAddress, $0.count) }
      }
    }
  }
}
