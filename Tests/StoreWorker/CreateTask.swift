import Foundation
import HandleStore
import SystemPackage
import TestSupport

/// `create STORE DIRECTORY FILES VANISH`: with a store of its own, creates or opens the files 0, 1, …
/// of a directory that others do the same to, and prints which it created; if VANISH is 1 it removes
/// a file that it created at once, so that others create it again.
struct CreateTask {
  private let store: Store
  private let export: Export
  private let directory: FilePath
  private let files: Int
  private let vanish: Bool

  init(_ arguments: [String]) throws {
    store = try Store(at: FilePath(arguments[0]))
    directory = FilePath(arguments[1])
    files = Int(arguments[2]) ?? 0
    vanish = arguments[3] == "1"
    let store = store
    export = try withDirectory(directory) { try store.addExport("race", roots: [$0]) }
  }

  func run() throws {
    Tasks.say("ready")
    _ = readLine()
    for number in 0..<files {
      let opened = try export.createOrOpen(
        FilePath("\(number)"), in: .node(.root), as: .readWrite, permissions: 0o600)
      guard let file = opened.descriptor else { throw Tasks.Usage("the file is not open") }
      let status = try file.closeAfter { try FileStatus(of: file) }
      guard status.inode == opened.status.inode else { throw Tasks.Usage("the file") }
      guard opened.wasCreated else { continue }
      Tasks.say("created \(number) \(status.inode)")
      if vanish { try unlink(directory.appending("\(number)")) }
    }
    try store.close()
    Tasks.say("done")
  }
}
