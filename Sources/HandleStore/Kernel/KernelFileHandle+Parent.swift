internal import SystemPackage

/// Joins two plain handles into a connectable one, and takes it apart again. The layouts are those
/// of `fs/libfs.c` (`generic_encode_ino32_fh`), `fs/xfs/xfs_export.c` and `fs/btrfs/export.c`.
extension KernelFileHandle {
  /// Returns the handle that names this file and its directory, or `nil` if the kind of filesystem
  /// has no such handle or its layout is not known here.
  func connected(to parent: KernelFileHandle, on magic: FilesystemMagic) -> KernelFileHandle? {
    guard let form = PlainForm(self, on: magic), parent.type == type, parent.length == length
    else { return nil }
    var joined = HandleBytes()
    joined.append(self, 0..<length)
    guard form.type == .btrfs else {
      joined.append(parent, 0..<length)
      return joined.handle(form.connectable)
    }
    joined.append(parent, 0..<8)
    joined.append(parent, 16..<20)
    // The parent's subvolume is named only if it differs from the file's.
    if words[1] == parent.words[1] { return joined.handle(.btrfsParent) }
    joined.append(parent, 8..<16)
    return joined.handle(.btrfsParentRoot)
  }

  /// Returns the handle without the directory in it.
  func plain(on magic: FilesystemMagic) -> KernelFileHandle {
    guard let form = PlainForm(ofConnectable: self, on: magic) else { return self }
    var front = HandleBytes()
    front.append(self, 0..<form.length)
    return front.handle(form.type)
  }

  /// Returns the handle of the directory that a connectable handle names, or `nil` if it names
  /// none.
  func parent(on magic: FilesystemMagic) -> KernelFileHandle? {
    guard let form = PlainForm(ofConnectable: self, on: magic) else { return nil }
    var back = HandleBytes()
    guard form.type == .btrfs else {
      back.append(self, form.length..<length)
      return back.handle(form.type)
    }
    back.append(self, 20..<28)
    back.append(self, type == .btrfsParent ? 8..<16 : 32..<40)
    back.append(self, 28..<32)
    return back.handle(form.type)
  }
}

/// Collects bytes of handles into a new handle.
private struct HandleBytes {
  private var words = InlineArray<16, UInt64>(repeating: 0)
  private var count = 0

  mutating func append(_ handle: KernelFileHandle, _ range: Range<Int>) {
    for i in range {
      words[byte: count] = handle[i]
      count += 1
    }
  }

  func handle(_ type: HandleType) -> KernelFileHandle {
    KernelFileHandle(type: type, length: count, words: words)
  }
}

/// The layout of a file's own handle, alone and at the front of a connectable one.
private struct PlainForm {
  let type: HandleType
  let length: Int
  let connectable: HandleType

  init?(_ handle: KernelFileHandle, on magic: FilesystemMagic) {
    switch (magic, handle.type, handle.length) {
    case (.ext, .inode32, 8), (.f2fs, .inode32, 8), (.xfs, .inode32, 8): self.init(.inode32)
    case (.xfs, .inode64, 12): self.init(.inode64)
    case (.btrfs, .btrfs, 20): self.init(.btrfs)
    default: return nil
    }
  }

  init?(ofConnectable handle: KernelFileHandle, on magic: FilesystemMagic) {
    switch (handle.type, handle.length, magic) {
    case (.inode32Parent, 16, .ext), (.inode32Parent, 16, .f2fs), (.inode32Parent, 16, .xfs):
      self.init(.inode32)
    case (.inode64Parent, 24, .xfs): self.init(.inode64)
    case (.btrfsParent, 32, .btrfs), (.btrfsParentRoot, 40, .btrfs): self.init(.btrfs)
    default: return nil
    }
  }

  private init(_ kind: Kind) {
    (type, length, connectable) =
      switch kind {
      case .inode32: (.inode32, 8, .inode32Parent)
      case .inode64: (.inode64, 12, .inode64Parent)
      case .btrfs: (.btrfs, 20, .btrfsParent)
      }
  }

  private enum Kind { case inode32, inode64, btrfs }
}
