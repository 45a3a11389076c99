internal import SystemPackage

/// Connectable handles, made of two plain ones and taken apart again. The layouts are those of
/// `fs/libfs.c` (`generic_encode_ino32_fh`), `fs/xfs/xfs_export.c` and `fs/btrfs/export.c`.
extension KernelFileHandle {
  /// The handle that names this file and its directory, or `nil` where the kind of filesystem has
  /// none, or one that is not known here.
  func connected(to parent: KernelFileHandle, on magic: FilesystemMagic) -> KernelFileHandle? {
    guard let form = ParentForm(plain: self, on: magic), parent.type == type,
      parent.length == length
    else { return nil }
    guard form == .btrfs else {
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
    guard parent(on: magic) != nil else { return self }
    let (type, length): (HandleType, Int) =
      switch self.type {
      case .inode32Parent: (.inode32, 8)
      case .inode64Parent: (.inode64, 12)
      default: (.btrfs, 20)
      }
    return KernelFileHandle(type: type, bytes: Array(bytes[..<length])) ?? self
  }

  /// The handle of the directory that a connectable handle names, or `nil` where it names none.
  func parent(on magic: FilesystemMagic) -> KernelFileHandle? {
    switch (magic, type, length) {
    case (.ext, .inode32Parent, 16), (.f2fs, .inode32Parent, 16), (.xfs, .inode32Parent, 16):
      KernelFileHandle(type: .inode32, bytes: Array(bytes[8...]))
    case (.xfs, .inode64Parent, 24):
      KernelFileHandle(type: .inode64, bytes: Array(bytes[12...]))
    case (.btrfs, .btrfsParent, 32):
      KernelFileHandle(type: .btrfs, bytes: Array(bytes[20..<28] + bytes[8..<16] + bytes[28..<32]))
    case (.btrfs, .btrfsParentRoot, 40):
      KernelFileHandle(type: .btrfs, bytes: Array(bytes[20..<28] + bytes[32..<40] + bytes[28..<32]))
    default: nil
    }
  }
}

private enum ParentForm {
  case inode32, inode64, btrfs

  init?(plain handle: KernelFileHandle, on magic: FilesystemMagic) {
    switch (magic, handle.type, handle.length) {
    case (.ext, .inode32, 8), (.f2fs, .inode32, 8), (.xfs, .inode32, 8): self = .inode32
    case (.xfs, .inode64, 12): self = .inode64
    case (.btrfs, .btrfs, 20): self = .btrfs
    default: return nil
    }
  }

  var connectable: HandleType {
    switch self {
    case .inode32: .inode32Parent
    case .inode64: .inode64Parent
    case .btrfs: .btrfsParent
    }
  }
}
