import HandleStore
import SystemPackage
import TestSupport
import Testing

/// What of a handle names the inode and what its generation, by what registrations of handles made
/// for the purpose find.
@Suite(.mounts) struct LayoutTests {
  /// How a kind of filesystem writes an inode and a generation, in its plain form and those that name
  /// the parent.
  struct Layout: Sendable {
    let name: String
    let kind: VolumeKind
    let forms: @Sendable (_ inode: UInt64, _ generation: UInt32) -> [KernelFileHandle]
  }

  private static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    Synthetic.little(value)
  }

  private static func overlay(_ type: HandleType, _ inner: [UInt8]) -> KernelFileHandle {
    let header: [UInt8] = [0, 0, 0, 0, 0xfb, UInt8(21 + inner.count), 0, UInt8(type.rawValue)]
    return Synthetic.make(.overlay, header + [UInt8](1...16) + inner)
  }

  static let layouts = [
    Layout(name: "32-bit", kind: .ext4) { inode, generation in
      let plain = little(UInt32(inode)) + little(generation)
      return [
        Synthetic.make(.inode32, plain),
        Synthetic.make(.inode32Parent, plain + little(UInt64(77))),
        Synthetic.make(HandleType(rawValue: 0x1_0001), plain),
      ]
    },
    Layout(name: "32-bit", kind: .xfs) { inode, generation in
      let plain = little(UInt32(inode)) + little(generation)
      return [
        Synthetic.make(.inode32, plain),
        Synthetic.make(.inode32Parent, plain + little(UInt64(77))),
      ]
    },
    Layout(name: "64-bit", kind: .xfs) { inode, generation in
      let plain = little(inode | 1 << 40) + little(generation)
      return [
        Synthetic.make(.inode64, plain),
        Synthetic.make(.inode64Parent, plain + little(UInt64(77)) + little(UInt32(5))),
      ]
    },
    Layout(name: "tmpfs", kind: .tmpfs) { inode, generation in
      [Synthetic.make(.inode32, little(generation) + little(inode))]
    },
    Layout(name: "btrfs", kind: .btrfs) { inode, generation in
      let plain = little(inode) + little(UInt64(5)) + little(generation)
      return [
        Synthetic.make(.btrfs, plain),
        Synthetic.make(.btrfsParent, plain + little(UInt64(256)) + little(UInt32(9))),
        Synthetic.make(
          .btrfsParentRoot, plain + little(UInt64(256)) + little(UInt32(9)) + little(UInt64(6))),
      ]
    },
    Layout(name: "over 32-bit", kind: .overlay) { inode, generation in
      [overlay(.inode32, little(UInt32(inode)) + little(generation))]
    },
    Layout(name: "over 64-bit", kind: .overlay) { inode, generation in
      [overlay(.inode64, little(inode) + little(generation))]
    },
  ]

  @Test(arguments: layouts.indices) func theInodeAndItsGenerationAreRead(_ index: Int) throws {
    let layout = Self.layouts[index]
    let volume = try Volume(layout.kind)
    let test = try TestStore()
    let id = try test.store.attach(volume.path)
    let status = FileStatus(inode: 7, mode: Synthetic.mode)
    let first = layout.forms(7, 1)[0]
    let node = try test.store.register(first, status: status, on: id).node
    for form in layout.forms(7, 1) {
      let again = try test.store.register(form, status: status, on: id)
      #expect(again.node == node && again.outcome == .existing, "\(form)")
      #expect(try test.store.node(of: form, on: id)?.id == node, "\(form)")
    }
    for form in layout.forms(7, 2) {
      #expect(try test.store.node(of: form, on: id) == nil, "\(form)")
    }
    let other = try test.store.register(layout.forms(8, 1)[0], status: status, on: id)
    #expect(other.outcome == .created)
    var last = node
    for (turn, form) in layout.forms(7, 2).enumerated() {
      // Each time another generation, by each form.
      let reused = try test.store.register(
        layout.forms(7, UInt32(turn + 2))[turn], status: status, on: id)
      #expect(reused.outcome == .replaced(last), "\(form)")
      last = reused.node
    }
    #expect(try test.store.node(other.node)?.state == .live)
    try test.store.close()
  }

  @Test(arguments: [20, 40]) func anOpaqueHandleIsComparedWhole(_ length: Int) throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    func register(_ number: UInt64, inode: UInt64) throws -> Registration {
      try test.store.register(
        Synthetic.opaque(number, length: length),
        status: FileStatus(inode: inode, mode: Synthetic.mode), on: id)
    }
    let first = try register(1, inode: 100)
    #expect(first.outcome == .created)
    #expect(try test.store.node(first.node)?.handle.isSpilled == (length > 24))
    #expect(try register(1, inode: 100).outcome == .existing)
    let second = try register(2, inode: 200)
    #expect(second.outcome == .created)
    // The inode number comes with another handle: the file is another one.
    let third = try register(3, inode: 100)
    #expect(third.outcome == .replaced(first.node))
    #expect(try test.store.node(first.node)?.state == .stale)
    #expect(try test.store.node(of: Synthetic.opaque(1, length: length), on: id) == nil)
    #expect(try register(3, inode: 100).node == third.node)
    #expect(try register(2, inode: 200).outcome == .existing)
    // Retired and registered again, both by handle and by inode number.
    try test.store.retire(third.node)
    #expect(try test.store.node(of: Synthetic.opaque(3, length: length), on: id) == nil)
    let fourth = try register(3, inode: 100)
    #expect(fourth.outcome == .created && fourth.node > third.node)
    #expect(try register(3, inode: 100).node == fourth.node)
    try test.reopen()
    #expect(try register(3, inode: 100).node == fourth.node)
    #expect(try register(2, inode: 200).node == second.node)
    try test.store.close()
  }

  @Test func anotherTypeOfFileIsAnotherFile() throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    let file = try test.store.register(Synthetic.file(5), on: id)
    let directory = try test.store.register(Synthetic.file(5, mode: 0o040755), on: id)
    #expect(directory.outcome == .replaced(file.node))
    #expect(try test.store.node(directory.node)?.type == .directory)
    try test.store.close()
  }

  @Test func handlesHaveOneToAHundredAndTwentyEightBytes() throws {
    let test = try TestStore()
    let id = try test.store.attach(Synthetic.directory)
    let type = HandleType(rawValue: 0x99)
    #expect(KernelFileHandle(type: type, bytes: []) == nil)
    for size in [0, 3, 5] {
      var room = [UInt8](repeating: 9, count: size)
      var span = room.mutableSpan
      try #require(KernelFileHandle(type: type, bytes: [1, 2, 3, 4])).copyBytes(into: &span)
      #expect(room == Array([1, 2, 3, 4, 9].prefix(size)))
    }
    #expect(KernelFileHandle(type: type, bytes: [UInt8](repeating: 1, count: 129)) == nil)
    var nodes: [NodeID] = []
    for length in 1...128 {
      let handle = Synthetic.make(type, [UInt8](repeating: UInt8(length), count: length))
      nodes.append(
        try test.store.register(
          handle, status: FileStatus(inode: UInt64(length), mode: Synthetic.mode), on: id
        ).node)
    }
    try test.reopen()
    for (length, node) in zip(1...128, nodes) {
      let found = try #require(try test.store.node(node))
      #expect(found.handle.bytes == [UInt8](repeating: UInt8(length), count: length))
      #expect(found.handle.isSpilled == (length > 24))
    }
    try test.store.close()
  }
}
