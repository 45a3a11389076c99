import Foundation
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Each check of the gate, by the name of its refusal.
@Suite(.mounts) struct GateTests {
  private func changed(_ token: Token, _ index: Int, to byte: UInt8) -> Token {
    var bytes = token.bytes
    bytes[index] = byte
    return Token(bytes: bytes)
  }

  @Test func lengthAndTypeComeFirst() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    let reference = try exported.export.token(
      for: #require(try exported.entry("file")).node, form: .reference)
    for length in [0, 1, 16, 31] {
      let cut = Token(bytes: Array(token.bytes[..<length]))
      #expect(throws: refused(.length)) { try exported.export.status(cut) }
    }
    let long = Token(bytes: token.bytes + Array(repeating: 0, count: 128))
    #expect(throws: refused(.length)) { try exported.export.status(long) }
    for type: UInt8 in [0, 0xff] {
      #expect(throws: refused(.handleType)) {
        try exported.export.status(changed(token, 3, to: type))
      }
    }
    #expect(throws: refused(.handleType)) {
      try exported.export.status(changed(reference, 3, to: 1))
    }
    // Cut by one it is of another length, but could be one; the signature tells.
    let cut = Token(bytes: Array(token.bytes.dropLast()))
    #expect(throws: refused(.signature)) { try exported.export.status(cut) }
  }

  @Test func versionKeyAndSignature() throws {
    let exported = try Exported(.ext4)
    let token = try exported.token("file")
    #expect(throws: refused(.version)) { try exported.export.status(changed(token, 0, to: 2)) }
    #expect(throws: refused(.key)) { try exported.export.status(changed(token, 2, to: 77)) }
    for index in token.bytes.indices where ![0, 2].contains(index) {
      for bit in 0..<8 {
        let forged = changed(token, index, to: token.bytes[index] ^ 1 << UInt8(bit))
        #expect(throws: StoreError.self) { try exported.export.status(forged) }
      }
    }
    let counted = exported.store.statistics.gateRefusals
    #expect(Set(counted.keys) == [.version, .key, .signature, .handleType])
    #expect(counted[.version] == 1 && counted[.key] == 1)
    #expect(exported.store.statistics.errors[.refused] == counted.values.reduce(0, +))
    _ = try exported.export.status(token)
  }

  @Test func aTokenOfAnotherExport() throws {
    let exported = try Exported(.ext4)
    let other = try withDirectory(exported.inside) {
      try exported.store.addExport("other", roots: [$0])
    }
    let token = try exported.token("file")
    #expect(throws: refused(.export)) { try other.status(token) }
  }

  @Test(arguments: VolumeKind.allCases) func aGenerationThatTheFileHasNot(
    _ kind: VolumeKind
  ) throws {
    let exported = try Exported(kind)
    let file = try NamedFile("file", in: exported.inside)
    // Where the generation is, by the layouts in Docs/Format.md.
    let offset =
      switch kind {
      case .ext4: 4
      case .xfs: 8
      case .btrfs: 16
      case .tmpfs: 0
      case .overlay, .plainOverlay: 28
      case .fuse: 8
      }
    for generation: [UInt8] in [[0, 0, 0, 0], [1, 0, 0, 0], [255, 255, 255, 255]] {
      var bytes = file.handle.bytes
      bytes.replaceSubrange(offset..<(offset + 4), with: generation)
      let handle = try #require(KernelFileHandle(type: file.handle.type, bytes: bytes))
      guard handle != file.handle else { continue }
      let node = try exported.store.register(
        handle, status: file.status, on: exported.filesystem
      ).node
      let token = try exported.export.token(for: node)
      let wild = generation == [0, 0, 0, 0] && [.ext4, .btrfs, .overlay].contains(kind)
      let refusal = wild ? refused(.replaced) : refused(.stale)
      #expect(throws: refusal, "\(generation)") { try exported.export.status(token) }
      #expect(try exported.store.node(node)?.state == .stale)
      #expect(throws: refused(.stale)) { try exported.export.status(token) }
    }
    #expect(
      try exported.export.status(exported.token("file")).inode == file.status.inode)
  }

  @Test func aFileOfAnotherType() throws {
    let exported = try Exported(.ext4)
    let file = try NamedFile("fifo", in: exported.inside)
    let said = FileStatus(inode: file.status.inode, mode: 0o100600)
    let node = try exported.store.register(
      file.handle, status: said, on: exported.filesystem
    ).node
    let token = try exported.export.token(for: node)
    #expect(throws: refused(.fileType)) { try exported.export.open(.token(token), as: .readOnly) }
    #expect(throws: refused(.fileType)) { try exported.export.open(.node(node), as: .readOnly) }
  }

  @Test func aNodeThatWasDropped() throws {
    let exported = try Exported(.ext4)
    try exported.test.reopen(StoreOptions(retention: .seconds(0)))
    _ = try exported.store.attach(exported.volume.path)
    let export = try exported.store.openExport("tree")
    let entry = try #require(try export.lookup("file", in: .node(.root)))
    let reference = try export.token(for: entry.node, form: .reference)
    #expect(reference.bytes.count == 32)
    #expect(try export.contents(reference) == "contents of file")
    #expect(try exported.store.forget(entry.node))
    #expect(throws: refused(.unknownNode)) { try export.status(reference) }
    #expect(throws: refused(.unknownNode)) { try export.lookup(.node(entry.node)) }
    // By value it is good as before, and gets a new node.
    let again = try export.lookup(.token(entry.token))
    #expect(again.node != entry.node && again.registration.outcome == .created)
    #expect(try export.lookup(.nodeOrToken(entry.node, entry.token)).node == again.node)
    let parent = try #require(try export.lookup("directory", in: .node(.root)))
    #expect(try exported.store.forget(parent.node))
    let below = try export.lookup("one", in: .nodeOrToken(parent.node, parent.token))
    #expect(below?.status.type == .regular)
    #expect(exported.store.statistics.gateRefusals == [.unknownNode: 2])
  }

  @Test(arguments: VolumeKind.allCases) func tokensFitIntoNFSv3(_ kind: VolumeKind) throws {
    let exported = try Exported(kind)
    for file in try files(below: exported.inside) {
      let entry = try #require(try exported.entry(file.name))
      #expect(entry.token.bytes.count <= 64, "\(file.name)")
      for limit in [64, 128, 1000] {
        let token = try exported.export.token(for: entry.node, form: .value(atMost: limit))
        #expect(token == entry.token)
      }
      #expect(throws: StoreError.self) {
        try exported.export.token(for: entry.node, form: .value(atMost: 32))
      }
    }
  }

  @Test func onlyRegularFilesAndDirectoriesAreOpened() throws {
    let exported = try Exported(.ext4)
    for name in ["fifo", "device", "socket", "symlink"] {
      let token = try exported.token(name)
      for mode in [OpenMode.readOnly, .writeOnly, .readWrite] {
        #expect(throws: StoreError.self, "\(name)") {
          try exported.export.open(.token(token), as: mode)
        }
      }
      try exported.export.open(.token(token), as: .path).close()
    }
    try exported.export.open(.token(exported.token("directory")), as: .readOnly).close()
    let file = try exported.export.open(.token(exported.token("file")), as: .writeOnly)
    try file.closeAfter { _ = try file.writeAll("written".utf8) }
    #expect(try TestSupport.read(exported.inside.appending("file")).hasPrefix("written"))
  }

  @Test func aReadOnlyExportIsNotWrittenTo() throws {
    let exported = try Exported(.ext4, isReadOnly: true)
    let token = try exported.token("file")
    for mode in [OpenMode.writeOnly, .readWrite] {
      #expect(throws: StoreError.readOnlyExport("tree")) {
        try exported.export.open(.token(token), as: mode)
      }
    }
    #expect(throws: StoreError.readOnlyExport("tree")) {
      try exported.export.createOrOpen(
        "new", in: .node(.root), as: .readWrite, permissions: 0o600)
    }
    let found = try exported.export.createOrOpen(
      "file", in: .node(.root), as: .readOnly, permissions: 0o600)
    #expect(!found.wasCreated)
    let file = try #require(found.descriptor)
    #expect(try file.closeAfter { try readAll(file) } == "contents of file")
    #expect(exported.store.statistics.errors[.readOnlyExport] == 3)
  }

  @Test func everyRefusalSaysWhatToDo() {
    for refusal in GateRefusal.allCases {
      let text = StoreError.refused(refusal).description
      #expect(text.contains(";") || text.contains(":"), "\(refusal)")
      #expect(StoreError.refused(refusal).code == .refused)
    }
  }
}
