internal import CHandleStore
internal import HandleStore

extension StoreError.Code {
  /// The number of the error in handlestore.h, and a few words on it.
  var declared: (number: Int, words: StaticString) {
    switch self {
    case .stale: (HS_STALE, "the node is stale: its file is gone")
    case .staleHandle: (HS_STALE_HANDLE, "the handle is stale: its file is gone")
    case .unknownNode: (HS_UNKNOWN_NODE, "there is no such node")
    case .unknownFilesystem: (HS_UNKNOWN_FILESYSTEM, "the store has no such filesystem")
    case .notAttached: (HS_NOT_ATTACHED, "the filesystem is not attached")
    case .wrongFilesystem: (HS_WRONG_FILESYSTEM, "the file is on another filesystem")
    case .ambiguousFilesystem:
      (HS_AMBIGUOUS_FILESYSTEM, "the filesystem may be a copy of another one")
    case .tooManyFilesystems:
      (HS_TOO_MANY_FILESYSTEMS, "the store has no room for another filesystem")
    case .noHandles: (HS_NO_HANDLES, "the filesystem has no file handles")
    case .notOpenable:
      (HS_NOT_OPENABLE, "the node is neither a file nor a directory; open it as HS_OPEN_PATH")
    case .notOpenableHandle:
      (
        HS_NOT_OPENABLE_HANDLE,
        "the handle is neither of a file nor of a directory; open it as HS_OPEN_PATH"
      )
    case .refused: (HS_REFUSED, "the gate of an export refused it; see hs_error.refusal")
    case .noExport: (HS_NO_EXPORT, "there is no such export")
    case .badExport: (HS_BAD_EXPORT, "the export cannot be added so")
    case .readOnlyExport: (HS_READ_ONLY_EXPORT, "the export is read-only")
    case .unavailable: (HS_UNAVAILABLE, "the containment is not available here")
    case .tokenTooLong: (HS_TOKEN_TOO_LONG, "the token needs more bytes")
    case .badName: (HS_BAD_NAME, "the name is not one component")
    case .mountPoint: (HS_MOUNT_POINT, "the name is a mount point")
    case .exposedKeys: (HS_EXPOSED_KEYS, "others can read the file of keys")
    case .noKeys: (HS_NO_KEYS, "the store has no keys")
    case .unusableKeys: (HS_UNUSABLE_KEYS, "the file of keys is damaged")
    case .noKey: (HS_NO_KEY, "there is no such key")
    case .damagedFile: (HS_DAMAGED_FILE, "a file of the store is damaged")
    case .foreignFile: (HS_FOREIGN_FILE, "a file belongs to another store")
    case .inUse: (HS_IN_USE, "another process has the store open for writing")
    case .alreadyOpen: (HS_ALREADY_OPEN, "this process has the store open")
    case .readOnly: (HS_READ_ONLY_STORE, "the store was opened for reading only")
    case .closed: (HS_CLOSED, "the store was closed")
    case .forked: (HS_FORKED, "the store was opened before fork(2)")
    case .noStore: (HS_NO_STORE, "there is no store")
    case .notAStore: (HS_NOT_A_STORE, "the directory has something else in it")
    case .unsupportedVersion: (HS_UNSUPPORTED_VERSION, "the store has another format")
    case .damaged: (HS_DAMAGED, "the store is damaged; run handlestore repair")
    case .torn: (HS_TORN, "a power cut tore the store; run handlestore repair")
    case .tornCopy: (HS_TORN_COPY, "the store is an incomplete copy")
    case .sharedData: (HS_SHARED_DATA, "two directories share one data file")
    case .badValue: (HS_BAD_VALUE, "an argument is NULL or out of its range")
    case .unexpected: (HS_UNEXPECTED, "an error that should not happen")
    case .diskFull: (HS_DISK_FULL, "the disk or quota of the store is full")
    case .tooManyOpenFiles:
      (HS_TOO_MANY_OPEN_FILES, "the process or the system has too many open files")
    case .tooManyCallers: (HS_TOO_MANY_CALLERS, "too many threads read at once")
    case .notPermitted: (HS_NOT_PERMITTED, "a capability is missing")
    case .system: (HS_SYSTEM, "a system call failed; see hs_error.errnum")
    case .database: (HS_DATABASE, "the database of a shared store refused")
    }
  }
}

/// Returns a few words on a code that a caller names.
func summary(of code: CInt) -> StaticString {
  guard code != 0 else { return "no error" }
  return StoreError.Code(rawValue: code)?.declared.words ?? "unknown code"
}
