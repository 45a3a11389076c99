public import SystemPackage

/// What a server is about to do for a request that must not be done twice. If the server is killed
/// and the request comes again, the intent is enough to find out whether it was done.
///
/// | operation | state before | it was done if |
/// | --- | --- | --- |
/// | create | the name is free | the name leads to a file of that type |
/// | link | the name is free | the name leads to the file |
/// | remove | the name leads to the file | the name no longer leads to the file |
/// | rename | only the name leads to the file | only the new name leads to the file |
/// | exchange | the name leads to the file, the new name to the other | each to the other one |
/// | create attribute | the file does not have it | the file has it |
/// | remove attribute | the file has it | the file does not have it |
/// | insert or collapse range | the file has the size | the size has changed by the length |
///
/// Do not note a request that fails before anything is done: it fails again. If other processes
/// change the same names behind the server's back while it is down, their changes cannot be
/// distinguished from its own.
public struct Intent: Hashable, Sendable {
  /// An operation that must not be done twice.
  public enum Operation: UInt8, Sendable, CaseIterable {
    /// Creates a name for a new file.
    case create = 1
    /// Creates a second name for a file.
    case link
    /// Removes a name of a file.
    case remove
    /// Renames a file.
    case rename
    /// Exchanges the names of two files.
    case exchange
    /// Creates an extended attribute.
    case createAttribute
    /// Removes an extended attribute.
    case removeAttribute
    /// Inserts bytes into a file.
    case insertRange
    /// Removes a range of bytes from a file.
    case collapseRange
  }

  /// The operation that is about to be done.
  public let operation: Operation
  /// The type of the file to create.
  let type: FileType
  /// A name in a directory, or of an attribute; at most 255 bytes.
  let name: FilePath
  /// The second name of a rename or exchange; at most 255 bytes.
  let newName: FilePath
  /// The file whose name the operation creates, removes or changes.
  let file: KernelFileHandle?
  /// The file at `newName` before an exchange.
  let other: KernelFileHandle?
  /// The file's size before the operation, in bytes.
  let size: UInt64
  /// How many bytes are inserted or removed.
  let length: UInt64

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

  /// The intent to create a file of a type under a name that is free.
  public static func create(_ type: FileType, as name: FilePath) -> Intent {
    Intent(.create, type: type, name: name)
  }

  /// The intent to give a file another name, which is free.
  public static func link(_ file: KernelFileHandle, as name: FilePath) -> Intent {
    Intent(.link, name: name, file: file)
  }

  /// The intent to remove a name of a file.
  public static func remove(_ name: FilePath, of file: KernelFileHandle) -> Intent {
    Intent(.remove, name: name, file: file)
  }

  /// The intent to rename a file.
  public static func rename(
    _ file: KernelFileHandle, from name: FilePath, to newName: FilePath
  ) -> Intent {
    Intent(.rename, name: name, newName: newName, file: file)
  }

  /// The intent to exchange the names of two files.
  public static func exchange(
    _ name: FilePath, of file: KernelFileHandle, with newName: FilePath, of other: KernelFileHandle
  ) -> Intent {
    Intent(.exchange, name: name, newName: newName, file: file, other: other)
  }

  /// The intent to create an extended attribute that a file does not have.
  public static func createAttribute(_ name: FilePath) -> Intent {
    Intent(.createAttribute, name: name)
  }

  /// The intent to remove an extended attribute that a file has.
  public static func removeAttribute(_ name: FilePath) -> Intent {
    Intent(.removeAttribute, name: name)
  }

  /// The intent to insert `length` bytes into a file of `size` bytes.
  public static func insertRange(of length: UInt64, size: UInt64) -> Intent {
    Intent(.insertRange, size: size, length: length)
  }

  /// The intent to remove a range of `length` bytes from a file of `size` bytes.
  public static func collapseRange(of length: UInt64, size: UInt64) -> Intent {
    Intent(.collapseRange, size: size, length: length)
  }
}
