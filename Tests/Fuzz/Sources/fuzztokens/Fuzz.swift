import Foundation
import HandleStore
import SystemPackage

/// One input of libFuzzer's. What must not be ends the process.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let first = bytes.first else { return 0 }
  let rest = Array(bytes.dropFirst())
  switch first % 3 {
  case 0: tryCodec(rest)
  case 1: target.tryToken(Token(bytes: rest))
  default: target.tryHandle(rest)
  }
  return 0
}

/// What the codec takes, it gives back.
private func tryCodec(_ bytes: [UInt8]) {
  let codec = FileHandleCodec(limit: .largest)
  guard let decoded = try? codec.decode(bytes) else { return }
  let (token, length) = (decoded.token, decoded.length)
  guard let again = try? codec.encode(token), again == Array(bytes.prefix(length)) else {
    fatalError("the codec took \(bytes) and gave back something else")
  }
}

private let target = Target()

/// An export of a directory with one file in it.
private final class Target: Sendable {
  private let store: Store
  private let export: Export
  private let filesystem: FilesystemID
  private let file: FoundFile
  private let directory: String

  init() {
    directory = NSTemporaryDirectory() + "handlestore-fuzz-\(UUID().uuidString)"
    do {
      let root = FilePath(directory)
      let tree = root.appending("tree")
      try FileManager.default.createDirectory(
        atPath: tree.string, withIntermediateDirectories: true)
      try Data().write(to: URL(fileURLWithPath: tree.appending("file").string))
      store = try Store(at: root.appending("store"))
      let descriptor = try FileDescriptor.open(tree, .readOnly, options: .directory)
      defer { try? descriptor.close() }
      filesystem = try store.attach(descriptor)
      export = try store.addExport("fuzz", roots: [descriptor])
      file = try FoundFile(name: "file", in: descriptor)
    } catch {
      fatalError("no export in \(directory): \(error)")
    }
    atexit { target.remove() }
  }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  /// No token that was not given out passes.
  func tryToken(_ token: Token) {
    guard let found = try? export.open(.token(token), as: .path) else { return }
    try? found.close()
    fatalError("\(token) passed, which was never given out")
  }

  /// A handle with a right signature opens the file whose handle it is, or nothing.
  func tryHandle(_ bytes: [UInt8]) {
    guard let type = bytes.first,
      let handle = KernelFileHandle(
        type: HandleType(rawValue: Int32(type)), bytes: Array(bytes.dropFirst())),
      let node = try? store.register(
        FoundFile(handle: handle, status: file.status), on: filesystem
      ).node,
      let token = try? export.token(for: node),
      let found = try? export.open(.token(token), as: .path)
    else { return }
    defer { try? found.close() }
    let inode = (try? FileStatus(of: found))?.inode
    guard inode == file.status.inode else {
      fatalError("\(handle) opened file \(inode ?? 0), which is not in the export")
    }
  }
}
