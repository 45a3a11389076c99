internal import SystemPackage

/// Connectable handles, made of two plain ones and taken apart again. The layouts are those of
/// `fs/libfs.c` (`generic_encode_ino32_fh`), `fs/xfs/xfs_export.c` and `fs/btrfs/export.c`.
extension KernelFileHandle {
  /// The handle that names this file and its directory, or `nil` where the kind of filesystem has
  /// none, or one that is not known here.
  func connected(to parent: KernelFileHandle, on magic: FilesystemMagic) -> KernelFileHandle? {
    guard let form = PlainForm(self, on: magic), parent.type == type, parent.length == length
    else { return nil }
    guard form.type == .btrfs else {
      return KernelFileHandle(type: form.connectable, bytes: bytes + parent.bytes)
    }
    let other = parent.bytes
    let sameSubvolume = bytes[8..<16] == other[8..<16]
    return KernelFileHandle(
      type: sameSubvolume ? .btrfsParent : .btrfsParentRoot,
      bytes: bytes + other[0..<8] + other[16..<20] + (sameSubvolume ? [] : other[8..<16]))
  }

  /// The handle without the directory in it.
  func plain(on magic: FilesystemMagic) -> KernelFileHandle {
    guard let form = PlainForm(ofConnectable: self, on: magic) else { return self }
    var words = InlineArray<16, UInt64>(repeating: 0)
    for i in 0..<(form.length / 8) { words[i] = self.words[i] }
    let rest = UInt64(form.length % 8 * 8)
    if rest > 0 { words[form.length / 8] = self.words[form.length / 8] & (1 << rest - 1) }
    return KernelFileHandle(type: form.type, length: form.length, words: words)
  }

  /// The handle of the directory that a connectable handle names, or `nil` where it names none.
  func parent(on magic: FilesystemMagic) -> KernelFileHandle? {
    guard let form = PlainForm(ofConnectable: self, on: magic) else { return nil }
    guard form.type == .btrfs else {
      return KernelFileHandle(type: form.type, bytes: bytes, in: form.length..<length)
    }
    let subvolume = type == .btrfsParent ? bytes[8..<16] : bytes[32..<40]
    return KernelFileHandle(
      type: form.type, bytes: Array(bytes[20..<28] + subvolume + bytes[28..<32]))
  }
}

/// How a file's own handle is laid out, alone and at the front of a connectable one.
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
