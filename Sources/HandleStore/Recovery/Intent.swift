public import SystemPackage

/// What a server is about to do for a request that must not be done twice: enough to tell, once the
/// server was killed and the request came again, whether it was done.
///
/// | operation | noted before | it was done where |
/// | --- | --- | --- |
/// | create | the name is free | the name leads to a file of that type |
/// | link | the name is free, and the file | the name leads to the file |
/// | remove | the name leads to the file | it does not any more |
/// | rename | the name leads to the file, the new name not | the new name does, and the name does not |
/// | exchange | the name leads to the file, the new name to the other | each to the other one |
/// | create attribute | the file does not have it | it has it |
/// | remove attribute | the file has it | it does not have it |
/// | insert or collapse range | the size | the size has changed by the length |
///
/// A request that would have failed before anything was done is not noted: it fails again. What others
/// do to the same names without this server, while it is down, cannot be told from its own doing.
public struct Intent: Hashable, Sendable {
  /// What is to be done.
  public enum Operation: UInt8, Sendable, CaseIterable {
    /// A name is made, for a new file of ``Intent/type``.
    case create = 1
    /// A second name is made for ``Intent/file``.
    case link
    /// The name of ``Intent/file`` is removed.
    case remove
    /// The name of ``Intent/file`` becomes ``Intent/newName``.
    case rename
    /// ``Intent/name`` and ``Intent/newName`` change places.
    case exchange
    /// The extended attribute ``Intent/name`` is made.
    case createAttribute
    /// The extended attribute ``Intent/name`` is removed.
    case removeAttribute
    /// ``Intent/length`` bytes are inserted.
    case insertRange
    /// ``Intent/length`` bytes are taken out.
    case collapseRange
  }

  /// What is to be done.
  public var operation: Operation
  /// The type of what is created.
  public var type: FileType
  /// A name in a directory, or of an attribute; at most 255 bytes.
  public var name: FilePath
  /// The second name of a rename or exchange; at most 255 bytes.
  public var newName: FilePath
  /// The file that the operation is about.
  public var file: KernelFileHandle?
  /// The file at ``newName`` before an exchange.
  public var other: KernelFileHandle?
  /// The file's size in bytes before.
  public var size: UInt64
  /// How many bytes are inserted or taken out.
  public var length: UInt64

  init(
    _ operation: Operation, type: FileType = FileType(rawValue: 0), name: FilePath = "",
    newName: FilePath = "", file: KernelFileHandle? = nil, other: KernelFileHandle? = nil,
    size: UInt64 = 0, length: UInt64 = 0
  ) {
    self.operation = operation
    self.type = type
    self.name = name
    self.newName = newName
    self.file = file
    self.other = other
    self.size = size
    self.length = length
  }

  /// A file of a type is about to be made under a name that is free.
  public static func create(_ type: FileType, _ name: FilePath) -> Intent {
    Intent(.create, type: type, name: name)
  }

  /// A name that is free is about to be made for a file.
  public static func link(_ file: KernelFileHandle, as name: FilePath) -> Intent {
    Intent(.link, name: name, file: file)
  }

  /// A name of a file is about to be removed.
  public static func remove(_ name: FilePath, of file: KernelFileHandle) -> Intent {
    Intent(.remove, name: name, file: file)
  }

  /// A file is about to be renamed.
  public static func rename(
    _ file: KernelFileHandle, from name: FilePath, to newName: FilePath
  ) -> Intent {
    Intent(.rename, name: name, newName: newName, file: file)
  }

  /// Two names are about to change places.
  public static func exchange(
    _ name: FilePath, of file: KernelFileHandle, with newName: FilePath, of other: KernelFileHandle
  ) -> Intent {
    Intent(.exchange, name: name, newName: newName, file: file, other: other)
  }

  /// An extended attribute that a file does not have is about to be made.
  public static func createAttribute(_ name: FilePath) -> Intent {
    Intent(.createAttribute, name: name)
  }

  /// An extended attribute that a file has is about to be removed.
  public static func removeAttribute(_ name: FilePath) -> Intent {
    Intent(.removeAttribute, name: name)
  }

  /// Bytes are about to be inserted into a file of a size.
  public static func insertRange(of length: UInt64, size: UInt64) -> Intent {
    Intent(.insertRange, size: size, length: length)
  }

  /// Bytes are about to be taken out of a file of a size.
  public static func collapseRange(of length: UInt64, size: UInt64) -> Intent {
    Intent(.collapseRange, size: size, length: length)
  }
}
