import Foundation
import Glibc
import HandleStore
import SystemPackage
import TestSupport

/// `starve STORE DIRECTORY CONTAINMENT`: decodes a token with ever more descriptors left, the kernel's
/// memory of names dropped each time, and prints what came of it.
enum StarveTask {
  static func run(_ arguments: [String]) throws {
    let store = try Store(at: FilePath(arguments[0]))
    let export = try withDirectory(FilePath(arguments[1])) {
      try store.addExport(
        "tree", roots: [$0], containment: Containment(rawValue: arguments[2]))
    }
    let directory = try export.lookup("directory", in: .node(.root))
    guard let parent = directory?.token,
      let token = try export.lookup("file", in: .token(parent))?.token
    else { throw Tasks.Usage(arguments[1]) }
    var taken: [CInt] = []
    while case let fd = dup(0), fd >= 0 { taken.append(fd) }
    for left in 0..<12 {
      if left > 0, let fd = taken.popLast() { Glibc.close(fd) }
      if left > 0, let file = try? FileDescriptor.open("/proc/sys/vm/drop_caches", .writeOnly) {
        _ = try? file.closeAfter { try file.writeAll("2".utf8) }
      }
      do {
        try export.open(.token(token), as: .path).close()
        Tasks.say("\(left) passed")
      } catch StoreError.tooManyOpenFiles {
        Tasks.say("\(left) starved")
      } catch {
        Tasks.say("wrong \(left) \(error)")
      }
    }
    for fd in taken { Glibc.close(fd) }
    try store.close()
    Tasks.say("done")
  }
}
