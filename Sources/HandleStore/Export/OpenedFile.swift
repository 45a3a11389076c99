internal import SystemPackage

/// A file on the filesystem of a layer, open as a path (`O_PATH`).
///
/// It need not be inside the export. A client gets only a file that the gate admitted, or that a
/// lookup or a creation found to be inside.
struct OpenedFile {
  let descriptor: OwnedDescriptor
  let fullStatus: FullStatus
  let handle: KernelFileHandle
  /// The layer whose filesystem the file is on.
  let layer: Int
  /// The file's node, if it is known without asking the store.
  var node: Node?

  init(_ descriptor: OwnedDescriptor, handle: KernelFileHandle, layer: Int) throws(Errno) {
    self.descriptor = descriptor
    self.handle = handle
    self.layer = layer
    fullStatus = try FullStatus(of: descriptor.descriptor)
  }

  var status: FileStatus { fullStatus.file }
  var type: FileType { status.type }

  /// Returns what the store needs to register the file.
  func found(in parent: NodeID? = nil) -> FoundFile {
    FoundFile(handle: handle, status: status, parent: parent)
  }
}
