import Foundation
import HandleStore
import SystemPackage
import TestSupport

extension Tasks {
  /// `move STORE DEST`: renames the directory of an open store before it reserves ids, hands out some,
  /// says the highest, and waits.
  static func move(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let filesystem = try Synthetic.attach(to: store)
    try rename(FilePath(arguments[0]), to: FilePath(arguments[1]))
    let found = try store.register(batch: (0..<100).map { Synthetic.file($0) }, on: filesystem)
    say("\(found.map(\.node).max() ?? .root)")
    _ = readLine()
  }

  /// `chdir DIRECTORY`: opens a store by a relative path, and closes it in another working directory.
  static func chdir(_ arguments: [String]) throws {
    let manager = FileManager.default
    guard manager.changeCurrentDirectoryPath(arguments[0]) else { throw Usage(arguments[0]) }
    let store = try Store(at: "store")
    _ = try store.registerEach(0..<10, on: Synthetic.attach(to: store))
    guard manager.changeCurrentDirectoryPath("elsewhere") else { throw Usage("elsewhere") }
    _ = try store.registerEach(10..<20, on: Synthetic.attach(to: store))
    try store.close()
    say("closed")
  }
}
