public import SystemPackage

/// Why the store did not do what it was asked to do. Each case's ``description`` says what
/// happened, why, and what to do.
public enum StoreError: Error, Equatable, Sendable {
  // About a node, a handle or a filesystem.

  /// The file is gone, or its inode now belongs to another file (`ESTALE`).
  case stale(NodeID)
  /// The same for a handle that was used without a node.
  case staleHandle(KernelFileHandle)
  /// No node has this id: it was never minted, or it was dropped.
  case unknownNode(NodeID)
  /// No filesystem of the store has this id.
  case unknownFilesystem(FilesystemID)
  /// The filesystem is not attached, so nothing on it can be opened.
  case notAttached(FilesystemID)
  /// The file is not on the filesystem given for it: its name is a mount point, or it is gone.
  case wrongFilesystem(KernelFileHandle, FilesystemID)
  /// The filesystem cannot be distinguished from another one.
  case ambiguousFilesystem(String)
  /// The store has as many filesystems as it can have.
  case tooManyFilesystems
  /// The filesystem makes no handles, or none that can be opened.
  case noHandles(FilesystemMagic)
  /// The node's file is of a type that can be opened only as a path.
  case notOpenable(NodeID, FileType)

  // About an export.

  /// What a client sent did not pass the gate.
  case refused(GateRefusal)
  /// The store has no export of this name.
  case noExport(String)
  /// An export like this is not possible.
  case badExport(String)
  /// The export is for reading only.
  case readOnlyExport(String)
  /// The export's containment is not available here.
  case unavailable(Containment)
  /// The token is longer than its transport allows.
  case tokenTooLong(Int, limit: Int)
  /// The path is not a single name in a directory.
  case badName(FilePath)
  /// Something is mounted on the name.
  case mountPoint(FilePath)
  /// The handle's file is of a type that can be opened only as a path.
  case notOpenableHandle(KernelFileHandle, FileType)
  /// Users other than the owner can read the file of keys, or it is a symbolic link.
  case exposedKeys(path: FilePath)
  /// The store has no keys yet.
  case noKeys(path: FilePath)
  /// The keys of an open store can no longer be read, so none of them counts as valid.
  case unusableKeys(path: FilePath, reason: String)
  /// The store has no key of this id.
  case noKey(UInt8, path: FilePath)
  /// The file `exports`, `keys` or `namespaces` is damaged; the string says what to do.
  case damagedFile(path: FilePath, String)

  /// The file `exports`, `keys` or `namespaces` belongs to another store; `remedy` says what to do.
  case foreignFile(path: FilePath, remedy: String)

  // About the store.

  /// A process has the store open for writing; `pid` is `nil` if its id is not known. Of a shared
  /// store: another process has joined under the name of this gateway; `path` is then
  /// `the gateway NAME`.
  case inUse(path: FilePath, pid: Int32?)
  /// This process already has the store open.
  case alreadyOpen(path: FilePath)
  /// The store was opened for reading only.
  case readOnly
  /// The store was closed.
  case closed
  /// The store was opened before `fork(2)`, by the parent.
  case forked
  /// There is no store at this path.
  case noStore(path: FilePath)
  /// What is at this path is not a store.
  case notAStore(path: FilePath, reason: String)
  /// The store has a format version that this library does not read.
  case unsupportedVersion(found: Int, supported: Int)
  /// A part of the store cannot be read.
  case damaged(String)
  /// A power cut interrupted a session with ``Durability/process``, and the check found damage.
  case torn(String)
  /// The store is a damaged copy, taken while a process wrote to the original.
  case tornCopy(String)
  /// The store is a copy that shares its data with the original by a hard link.
  case sharedData(path: FilePath)

  /// A value from the caller is out of range; the string names the value and the range.
  case badValue(String)
  /// Something failed in an unknown way: a bug in this library.
  case unexpected(String)

  // About what the store stands on.

  /// The disk is full; nothing that was acknowledged is lost.
  case diskFull(path: FilePath)
  /// The process or the system has no descriptors left (`EMFILE`, `ENFILE`).
  case tooManyOpenFiles
  /// The store serves as many callers at a time as it can.
  case tooManyCallers
  /// The process lacks a capability.
  case notPermitted(String)
  /// A system call failed in a way that has no case of its own.
  case system(Errno, String)
  /// The database of a shared store refused; the string says what, why, and what to do.
  case database(Errno, String)
}

extension StoreError: CustomStringConvertible {
  /// What happened, why, and what to do.
  public var description: String {
    nodeDescription ?? exportDescription ?? storeDescription ?? systemDescription
  }

  private var nodeDescription: String? {
    switch self {
    case .stale(let node):
      "node \(node) is stale: its file is gone or its inode belongs to another file now; look the "
        + "file up again by its name"
    case .staleHandle(let handle):
      "handle \(handle) is stale: its file is gone or its inode belongs to another file now; look "
        + "the file up again by its name"
    case .unknownNode(let node):
      "there is no node \(node): it was never handed out, or it was dropped; look the file up again"
    case .unknownFilesystem(let id):
      "the store has no filesystem \(id); attach it with a directory on it"
    case .notAttached(let id):
      "filesystem \(id) is not attached; mount it, then open its export again or attach it with a "
        + "directory on it (if it was put back to an earlier state, it counts as another filesystem: "
        + "look its files up again; if the store is shared, and other hosts mount it from another source, "
        + "run `handlestore shared name`)"
    case .wrongFilesystem(let handle, let id):
      "the file with handle \(handle) is not on filesystem \(id): its name is a mount point, or the "
        + "file is gone; attach the filesystem that is mounted there and register the file on that one"
    case .ambiguousFilesystem(let reason):
      "the filesystem cannot be distinguished from another one: \(reason)"
    case .tooManyFilesystems:
      "the store has \(FilesystemID.maximum) filesystems and cannot have more; create another store "
        + "for this one"
    case .noHandles(let magic):
      "filesystem type \(magic) has no file handles that can be opened; use another filesystem "
        + "(overlayfs needs index=on,nfs_export=on)"
    case .notOpenable(let node, let type):
      "node \(node) has file type 0o\(String(type.rawValue, radix: 8)); only regular files and "
        + "directories can be opened for reading or writing; open other files as a path (O_PATH)"
    default: nil
    }
  }

  private var exportDescription: String? {
    switch self {
    case .refused(let refusal): refusal.description
    case .noExport(let name):
      "the store has no export \(name); list them with `handlestore export list`"
    case .badExport(let reason): "cannot make this export: \(reason)"
    case .readOnlyExport(let name):
      "the export \(name) is read-only; open the file for reading"
    case .unavailable(let containment):
      "containment \(containment.rawValue) is not available for this directory, kernel and user; "
        + "choose another one, or none to get the cheapest that is available"
    case .tokenTooLong(let length, let limit):
      "the token needs \(length) bytes, but the limit is \(limit); make a token by reference"
    case .badName(let name):
      "\(name.string.debugDescription) is not a single name; look up one component of a path at a time"
    case .mountPoint(let name):
      "something is mounted on \(name), and it is not part of the export; add an export for it"
    case .notOpenableHandle(let handle, let type):
      "the file with handle \(handle) has type 0o\(String(type.rawValue, radix: 8)); only regular "
        + "files and directories can be opened for reading or writing; open other files as a path "
        + "(O_PATH)"
    case .exposedKeys(let path):
      "\(path) can be read by others, or is a symbolic link, so its keys are no longer secret; "
        + "run chmod 600 on it, then make new keys (`handlestore key rotate --keep 0`)"
    case .damagedFile(let path, let remedy): "\(path) is damaged; \(remedy)"
    case .foreignFile(let path, let remedy): "\(path) belongs to another store: \(remedy)"
    case .unusableKeys(let path, let reason):
      "the keys of the store in \(path) cannot be read, so no token can be signed or checked: \(reason)"
    case .noKey(let id, let path):
      "the store in \(path) has no key \(id); list its keys with `handlestore key list`"
    case .noKeys(let path):
      "the store in \(path) has no keys yet; add an export, or make one with `handlestore key rotate`"
    default: nil
    }
  }

  private var storeDescription: String? {
    switch self {
    case .inUse(let path, _) where Self.gateway(of: path) != nil:
      "another process has joined under the name \(Self.gateway(of: path) ?? ""), so this one is no "
        + "gateway any more; give each process a name of its own, and start this one again"
    case .inUse(let path, let pid):
      "\(path) is open for writing by \(pid.map { "process \($0)" } ?? "another process"); stop it, "
        + "or open the store for reading only"
    case .alreadyOpen(let path):
      "this process already has \(path) open; use that store, from any thread"
    case .readOnly: "the store was opened for reading only; open it for writing to change it"
    case .closed: "the store is closed; open it again"
    case .forked: "the store was opened before fork(2); open it again in the child after exec"
    case .noStore(let path):
      "there is no store at \(path); create one with `handlestore index STORE DIR`, or by opening it "
        + "for writing"
    case .notAStore(let path, let reason):
      "\(path) is not a handle store: \(reason); name a store's directory, or an empty one"
    case .unsupportedVersion(let found, let supported):
      "the store has format version \(found), but this library reads version \(supported); use the "
        + "release that wrote it"
    case .damaged(let what):
      "the store is damaged: \(what); run `handlestore check` and then `handlestore repair` on it"
    case .badValue(let what): what
    case .unexpected(let what):
      "\(what), which should never happen; please report this, and say what you did before"
    case .torn(let what):
      "a power cut tore the store: \(what); run `handlestore repair` on it, which keeps the "
        + "original, or restore a backup"
    case .tornCopy(let what):
      "this copy of a store is not consistent: \(what); copy a store with `handlestore backup`, or "
        + "while no process writes to it; or run `handlestore repair` on this copy"
    case .sharedData(let path):
      "\(path) is a copy of a store, but its data.mdb or lock.mdb is a hard link to the original's; "
        + "give the copy files of its own: rm lock.mdb, and for data.mdb and state "
        + "cp FILE new && mv new FILE"
    default: nil
    }
  }

  private var systemDescription: String {
    switch self {
    case .diskFull(let path):
      "the disk of \(path) is full; nothing acknowledged is lost: free some space and try again"
    case .tooManyOpenFiles: "no file descriptors are left; close some, or raise RLIMIT_NOFILE"
    case .tooManyCallers:
      "the store serves as many callers as it can; end some of the processes that read it, or try "
        + "again later"
    case .notPermitted(let what):
      "\(what) is not permitted; run as root, or with CAP_DAC_READ_SEARCH"
    case .system(let errno, let what): "\(what): \(errno)\(Self.remedy(errno))"
    case .database(_, let reason): "the database of the store: \(reason)"
    default: "error"
    }
  }

  private static func remedy(_ errno: Errno) -> String {
    switch errno {
    case .noSuchFileOrDirectory: "; check that the path exists"
    case .notDirectory: "; name a directory"
    case .permissionDenied: "; run as the user that the store belongs to, or as root"
    case .readOnlyFileSystem: "; open the store for reading only, or make the filesystem writable"
    case .ioError: "; the disk failed (see the kernel's log): close the store and check it"
    case .resourceTemporarilyUnavailable: "; try again"
    case .noMemory: "; free some memory, or raise the limit on address space (RLIMIT_AS)"
    case .directoryNotEmpty: "; name a directory that is empty or does not exist"
    case .fileExists, .isDirectory, .invalidArgument:
      "; something else is in the place of one of the store's files: move it away"
    case .tooManySymbolicLinkLevels:
      "; symbolic links are not followed here: replace the link with the file itself"
    case .fileTooLarge:
      "; raise the limit on file sizes (RLIMIT_FSIZE), or use a filesystem that allows longer files"
    case .noSpace, .diskQuotaExceeded: "; free some space"
    case .timedOut: "; check that its server runs and can be reached, and try again"
    case .notSupported: "; use a filesystem that supports this"
    default: ""
    }
  }
}

extension StoreError {
  /// The case for a failed system call.
  package init(_ errno: Errno, _ what: String) {
    switch errno {
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem: self = .tooManyOpenFiles
    case .notPermitted: self = .notPermitted(what)
    default: self = .system(errno, what)
    }
  }
}

extension StoreError {
  /// Turns an error of this floor or of the kernel's into the one that a user gets.
  package init(any error: any Error, path: FilePath) {
    switch error {
    case let error as StoreError: self = error
    case let error as GateRefusal: self = .refused(error)
    case let error as Errno where error.isDiskFull: self = .diskFull(path: path)
    case let error as Errno: self = StoreError(error, "using \(path)")
    default: self = .unexpected(String(describing: error))
    }
  }
}
