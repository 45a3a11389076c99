public import SystemPackage

extension StoreError {
  /// Which error it is, as a number: for counters, logs, and callers in other languages.
  ///
  /// A number stays the same in every release, and is never used for another error.
  public enum Code: Int32, CaseIterable, Hashable, Sendable {
    /// ``StoreError/stale(_:)``.
    case stale = 1
    /// ``StoreError/staleHandle(_:)``.
    case staleHandle = 2
    /// ``StoreError/unknownNode(_:)``.
    case unknownNode = 3
    /// ``StoreError/unknownFilesystem(_:)``.
    case unknownFilesystem = 4
    /// ``StoreError/notAttached(_:)``.
    case notAttached = 5
    /// ``StoreError/wrongFilesystem(_:_:)``.
    case wrongFilesystem = 6
    /// ``StoreError/ambiguousFilesystem(_:)``.
    case ambiguousFilesystem = 7
    /// ``StoreError/tooManyFilesystems``.
    case tooManyFilesystems = 8
    /// ``StoreError/noHandles(_:)``.
    case noHandles = 9
    /// ``StoreError/notOpenable(_:_:)``.
    case notOpenable = 10
    /// ``StoreError/notOpenableHandle(_:_:)``.
    case notOpenableHandle = 11
    /// ``StoreError/refused(_:)``.
    case refused = 20
    /// ``StoreError/noExport(_:)``.
    case noExport = 21
    /// ``StoreError/badExport(_:)``.
    case badExport = 22
    /// ``StoreError/readOnlyExport(_:)``.
    case readOnlyExport = 23
    /// ``StoreError/unavailable(_:)``.
    case unavailable = 24
    /// ``StoreError/tokenTooLong(_:limit:)``.
    case tokenTooLong = 25
    /// ``StoreError/badName(_:)``.
    case badName = 26
    /// ``StoreError/mountPoint(_:)``.
    case mountPoint = 27
    /// ``StoreError/exposedKeys(path:)``.
    case exposedKeys = 28
    /// ``StoreError/noKeys(path:)``.
    case noKeys = 29
    /// ``StoreError/unusableKeys(path:reason:)``.
    case unusableKeys = 30
    /// ``StoreError/noKey(_:path:)``.
    case noKey = 31
    /// ``StoreError/damagedFile(path:_:)``.
    case damagedFile = 32
    /// ``StoreError/foreignFile(path:remedy:)``.
    case foreignFile = 33
    /// ``StoreError/inUse(path:pid:)``.
    case inUse = 40
    /// ``StoreError/alreadyOpen(path:)``.
    case alreadyOpen = 41
    /// ``StoreError/readOnly``.
    case readOnly = 42
    /// ``StoreError/closed``.
    case closed = 43
    /// ``StoreError/forked``.
    case forked = 44
    /// ``StoreError/noStore(path:)``.
    case noStore = 45
    /// ``StoreError/notAStore(path:reason:)``.
    case notAStore = 46
    /// ``StoreError/unsupportedVersion(found:supported:)``.
    case unsupportedVersion = 47
    /// ``StoreError/damaged(_:)``.
    case damaged = 48
    /// ``StoreError/torn(_:)``.
    case torn = 49
    /// ``StoreError/tornCopy(_:)``.
    case tornCopy = 50
    /// ``StoreError/sharedData(path:)``.
    case sharedData = 51
    /// ``StoreError/badValue(_:)``.
    case badValue = 52
    /// ``StoreError/unexpected(_:)``.
    case unexpected = 53
    /// ``StoreError/diskFull(path:)``.
    case diskFull = 60
    /// ``StoreError/tooManyOpenFiles``.
    case tooManyOpenFiles = 61
    /// ``StoreError/tooManyReaders``.
    case tooManyReaders = 62
    /// ``StoreError/notPermitted(_:)``.
    case notPermitted = 63
    /// ``StoreError/system(_:_:)``.
    case system = 64
  }

  /// The number of the error.
  ///
  /// - Complexity: O(1). Any thread.
  public var code: Code {
    switch self {
    case .stale: .stale
    case .staleHandle: .staleHandle
    case .unknownNode: .unknownNode
    case .unknownFilesystem: .unknownFilesystem
    case .notAttached: .notAttached
    case .wrongFilesystem: .wrongFilesystem
    case .ambiguousFilesystem: .ambiguousFilesystem
    case .tooManyFilesystems: .tooManyFilesystems
    case .noHandles: .noHandles
    case .notOpenable: .notOpenable
    case .notOpenableHandle: .notOpenableHandle
    case .refused: .refused
    case .noExport: .noExport
    case .badExport: .badExport
    case .readOnlyExport: .readOnlyExport
    case .unavailable: .unavailable
    case .tokenTooLong: .tokenTooLong
    case .badName: .badName
    case .mountPoint: .mountPoint
    case .exposedKeys: .exposedKeys
    case .noKeys: .noKeys
    case .unusableKeys: .unusableKeys
    case .noKey: .noKey
    case .damagedFile: .damagedFile
    case .foreignFile: .foreignFile
    case .inUse: .inUse
    case .alreadyOpen: .alreadyOpen
    case .readOnly: .readOnly
    case .closed: .closed
    case .forked: .forked
    case .noStore: .noStore
    case .notAStore: .notAStore
    case .unsupportedVersion: .unsupportedVersion
    case .damaged: .damaged
    case .torn: .torn
    case .tornCopy: .tornCopy
    case .sharedData: .sharedData
    case .badValue: .badValue
    case .unexpected: .unexpected
    case .diskFull: .diskFull
    case .tooManyOpenFiles: .tooManyOpenFiles
    case .tooManyReaders: .tooManyReaders
    case .notPermitted: .notPermitted
    case .system: .system
    }
  }

  /// What a file server replies to the kernel or to a client.
  ///
  /// - Complexity: O(1). Any thread.
  public var errno: Errno {
    switch self {
    case .stale, .staleHandle, .unknownNode, .refused, .noExport, .noKeys, .noKey: .staleHandle
    case .wrongFilesystem, .mountPoint: .improperLink
    case .tooManyFilesystems, .diskFull: .noSpace
    case .noHandles, .unavailable, .unsupportedVersion: .notSupported
    case .notOpenable, .notOpenableHandle: .noSuchAddressOrDevice
    case .badExport, .badName, .notAStore, .badValue: .invalidArgument
    case .readOnlyExport, .readOnly: .readOnlyFileSystem
    case .tokenTooLong: .overflow
    case .exposedKeys: .permissionDenied
    case .inUse, .alreadyOpen: .resourceBusy
    case .closed, .forked: .badFileDescriptor
    case .noStore: .noSuchFileOrDirectory
    case .tooManyOpenFiles: .tooManyOpenFiles
    case .tooManyReaders: .resourceTemporarilyUnavailable
    case .notPermitted: .notPermitted
    case .system(let errno, _): errno
    case .unknownFilesystem, .notAttached, .ambiguousFilesystem, .unusableKeys, .damagedFile,
      .foreignFile, .damaged, .torn, .tornCopy, .sharedData, .unexpected:
      .ioError
    }
  }
}
