import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What is not a store, or not a whole one, is told so and left alone.
@Suite struct OpeningTests {
  @Test func whatIsNotThereIsNotRead() throws {
    let directory = try TemporaryDirectory()
    let path = directory.appending("store")
    let options = StoreOptions(readOnly: true)
    #expect(throws: StoreError.noStore(path: path)) { try Store(at: path, options: options) }
    #expect(throws: StoreError.noStore(path: directory.path)) {
      try Store(at: directory.path, options: options)
    }
  }

  @Test func aDirectoryOfOtherThingsIsLeftAlone() throws {
    let directory = try TemporaryDirectory()
    try write("mine", to: directory.appending("precious"))
    let error = #expect(throws: StoreError.self) { try Store(at: directory.path) }
    guard case .notAStore? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: directory.path.string) == ["precious"])
    let file = directory.appending("precious")
    #expect(throws: StoreError.self) { try Store(at: file) }
    #expect(try read(file) == "mine")
  }

  /// A store that was closed is opened, read and closed without a write that waits for the disk: its file
  /// `state`, which each write replaces, stays. The first change writes it.
  @Test func whatIsOnlyReadIsNotWritten() throws {
    let test = try TestStore()
    let nodes = try test.store.registerEach(0..<10, on: test.store.attach(Synthetic.directory))
      .map(\.node)
    try test.store.close()
    func state() throws -> FileStatus {
      let file = try FileDescriptor.open(test.path.appending("state"), .readOnly)
      return try file.closeAfter { try FileStatus(of: file) }
    }
    let before = try state()
    try test.reopen()
    for node in nodes { #expect(try test.store.node(node)?.state == .live) }
    #expect(try state() == before)
    try test.store.close()
    #expect(try state() == before)
    try test.reopen()
    _ = try test.store.retire(nodes[0])
    #expect(try read(test.path.appending("state")).contains("session running"))
    try test.store.close()
    #expect(try read(test.path.appending("state")).contains("session closed"))
  }

  /// A store's file `state`, changed by a body.
  private func withState(_ body: (FilePath, [UInt8]) throws -> Void) throws {
    let test = try TestStore()
    _ = try test.store.registerEach(0..<10, on: test.store.attach(Synthetic.directory))
    try test.store.close()
    let state = test.path.appending("state")
    let whole = Array(try read(state).utf8)
    try body(state, whole)
    try Data(whole).write(to: URL(fileURLWithPath: state.string))
    try test.reopen()
    #expect(try test.store.everyNode().count == 10)
    try test.store.close()
  }

  private func expectRefused(_ state: FilePath, _ bytes: [UInt8], _ what: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: state.string))
    for readOnly in [true, false] {
      do {
        let store = try Store(
          at: state.removingLastComponent(), options: StoreOptions(readOnly: readOnly))
        try store.close()
        Issue.record("\(what) was opened")
      } catch StoreError.notAStore, StoreError.damaged, StoreError.unsupportedVersion {
      } catch { Issue.record("\(what): \(error)") }
    }
  }

  @Test func aStateFileThatIsCutShortIsRefused() throws {
    try withState { state, whole in
      for length in 0..<whole.count {
        try expectRefused(state, Array(whole[..<length]), "\(length) bytes")
      }
    }
  }

  @Test func aStateFileWithAFlippedBitIsRefused() throws {
    try withState { state, whole in
      for bit in stride(from: 0, to: whole.count * 8, by: 3) {
        var flipped = whole
        flipped[bit / 8] ^= 1 << UInt8(bit % 8)
        try expectRefused(state, flipped, "bit \(bit)")
      }
      try expectRefused(state, whole + [10], "a line more")
      try expectRefused(state, (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 37) }, "rubbish")
    }
  }

  @Test func anotherVersionIsSaid() throws {
    try withState { state, whole in
      let text = String(decoding: whole, as: UTF8.self)
      try write(
        text.replacingOccurrences(of: "handlestore 1\n", with: "handlestore 7\n"), to: state)
      #expect(throws: StoreError.unsupportedVersion(found: 7, supported: 1)) {
        try Store(at: state.removingLastComponent())
      }
    }
  }

  @Test func theDataOfAnotherStoreAreRefused() throws {
    let (one, two) = (try TestStore(), try TestStore())
    try one.store.close()
    try two.store.close()
    let data = one.path.appending("data.mdb")
    try FileManager.default.removeItem(atPath: data.string)
    try FileManager.default.copyItem(
      atPath: two.path.appending("data.mdb").string, toPath: data.string)
    let error = #expect(throws: StoreError.self) { try Store(at: one.path) }
    #expect(error?.description.contains("different stores") == true)
  }

  @Test func everyErrorSaysWhatToDo() {
    let path: FilePath = "/store"
    let errors: [(StoreError, String)] = [
      (.stale(NodeID(rawValue: 5)), "look the file up"), (.unknownNode(.root), "look the file up"),
      (.unknownFilesystem(FilesystemID(rawValue: 2)), "attach"),
      (.notAttached(FilesystemID(rawValue: 2)), "mount"), (.ambiguousFilesystem("why"), "why"),
      (.noHandles(FilesystemMagic(rawValue: 1)), "use another"),
      (.staleHandle(Synthetic.handle(1)), "look"),
      (.wrongFilesystem(Synthetic.handle(1), FilesystemID(rawValue: 2)), "attach"),
      (.notOpenable(.root, .socket), "O_PATH"), (.inUse(path: path, pid: 7), "stop it"),
      (.inUse(path: path, pid: nil), "another process"), (.alreadyOpen(path: path), "use that"),
      (.readOnly, "open it for writing"), (.closed, "open it again"), (.forked, "open it again"),
      (.noStore(path: path), "create"), (.notAStore(path: path, reason: "why"), "name a store"),
      (.unsupportedVersion(found: 2, supported: 1), "release"), (.damaged("what"), "check"),
      (.torn("what"), "repair"), (.diskFull(path: path), "free some space"),
      (.tooManyOpenFiles, "RLIMIT_NOFILE"), (.tooManyCallers, "end some"),
      (.badValue("name 1 or more"), "name 1"), (.unexpected("what"), "report this"),
      (.tooManyFilesystems, "create another"),
      (.foreignFile(path: path, remedy: "remove it"), "remove"),
      (.unusableKeys(path: path, reason: "why"), "why"),
      (.notPermitted("what"), "CAP_DAC_READ_SEARCH"), (.system(.ioError, "what"), "what"),
    ]
    for (error, remedy) in errors {
      #expect(error.description.contains(remedy), "\(error)")
      #expect("\(error)" == error.description)
    }
  }
}
