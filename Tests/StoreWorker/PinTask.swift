import Foundation
import HandleStore
import SystemPackage
import TestSupport

extension Tasks {
  /// `pin STORE FILE`: registers 100 files and pins each 0, 1, 2, 0, … times in a file, prints their
  /// nodes, and stays.
  static func pin(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    let file = try FileDescriptor.open(
      FilePath(arguments[1]), .readWrite, options: [.create, .closeOnExec],
      permissions: .ownerReadWrite)
    let pins = try store.pins(in: file)
    let ids = try (0..<100).map { i in
      let pinning = i % 3 > 0 ? pins : nil
      let id = try store.register(
        Synthetic.file(UInt64(i)), on: filesystem, pinnedBy: pinning
      ).node
      if i % 3 == 2, try !store.pin(id, by: pins) { throw Usage("a node that is there") }
      return id
    }
    say(ids.map(\.description).joined(separator: " "))
    while readLine() != nil {}
  }
}
