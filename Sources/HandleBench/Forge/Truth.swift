import HandleStore
import SystemPackage

/// For which file a token was made.
struct Truth {
  /// The file's plain handle, as the kernel makes it of the open file.
  let handle: KernelFileHandle
  let type: FileType

  init(_ handle: KernelFileHandle, _ type: FileType) {
    self.handle = handle.plainForm
    self.type = type
  }
}

extension KernelFileHandle {
  /// The handle without the directory in it: what comes first in a connectable one (`fs/libfs.c`,
  /// `fs/xfs/xfs_export.c`, `fs/btrfs/export.c`).
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
