import Formatting
import HandleStore
import SystemPackage

/// Opens a directory that the user named.
func openDirectory(_ path: FilePath) throws -> FileDescriptor {
  do {
    return try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
  } catch let errno as Errno {
    throw SystemFailure(what: "opening \(Text.path(path))", errno: errno)
  }
}

/// Opens directories that the user named, runs `body`, and closes them.
func withDirectories<R>(
  _ paths: [FilePath], _ body: ([FileDescriptor]) throws -> R
) throws -> R {
  var directories: [FileDescriptor] = []
  defer { for directory in directories { try? directory.close() } }
  for path in paths { directories.append(try openDirectory(path)) }
  return try body(directories)
}

/// Returns the handle, the status and the mount of a directory that a store is to keep. Call this
/// before making a store for it: it throws if a store cannot keep the directory.
func foundDirectory(_ directory: FileDescriptor, at path: FilePath) throws -> FoundFile {
  let found: FoundFile
  do throws(StoreError) {
    found = try FoundFile(of: directory)
  } catch {
    guard error.errno == .notSupported else {
      throw SystemFailure(what: "making a file handle of \(Text.path(path))", errno: error.errno)
    }
    throw StoreError.noHandles(try FilesystemProbe(of: directory).magic)
  }
  if case .notPermitted = try FilesystemProbe(of: directory).opening {
    throw StoreError.notPermitted("opening \(Text.path(path)) by its handle")
  }
  return found
}

/// Returns whether a directory is `top` or below it. Walks up the parent directories on its own
/// mount.
func isDirectory(_ directory: FileDescriptor, in top: FileDescriptor) throws -> Bool {
  let wanted = try FileStatus(of: top)
  let mount = try FoundFile.mount(resolving: ".", in: directory)
  var (name, below) = (FilePath("."), FileStatus?.none)
  while try FoundFile.mount(resolving: name, in: directory) == mount {
    let status = try FileStatus(resolving: name, in: directory)
    if status.isOfSameFile(as: wanted) { return true }
    // The parent of the topmost directory is the directory itself.
    if let below, status.isOfSameFile(as: below) { return false }
    below = status
    name.append("..")
  }
  return false
}
