import HandleStore
import SystemPackage

/// The file that a token was made for.
struct Truth {
  /// The file's plain handle, as the kernel makes it from the open file.
  let handle: KernelFileHandle
  let type: FileType

  init(_ handle: KernelFileHandle, _ type: FileType) {
    self.handle = handle.plainForm
    self.type = type
  }
}

extension KernelFileHandle {
  /// The handle without the parent directory in it. A connectable handle begins with it
  /// (`fs/libfs.c`, `fs/xfs/xfs_export.c`, `fs/btrfs/export.c`).
  var plainForm: KernelFileHandle {
    let (type, length): (HandleType, Int) =
      switch (type, length) {
      case (.inode32Parent, 16): (.inode32, 8)
      case (.inode64Parent, 24): (.inode64, 12)
      case (.btrfsParent, 32), (.btrfsParentRoot, 40): (.btrfs, 20)
      default: (self.type, self.length)
      }
    return KernelFileHandle(type: type, bytes: Array(bytes[..<length])) ?? self
  }
}
