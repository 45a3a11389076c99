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
    /// ``StoreError/tooManyCallers``.
    case tooManyCallers = 62
    /// ``StoreError/notPermitted(_:)``.
    case notPermitted = 63
    /// ``StoreError/system(_:_:)``.
    case system = 64
    /// ``StoreError/database(_:_:)``.
    case database = 65
  }

  /// The number of the error.
  ///
  /// - Complexity: O(1). Any thread.
  public var code: Code { numbers.code }

  /// What a file server replies to the kernel or to a client.
  ///
  /// - Complexity: O(1). Any thread.
  public var errno: Errno { numbers.errno }

  private var numbers: (code: Code, errno: Errno) {
    switch self {
    case .stale: (.stale, .staleHandle)
    case .staleHandle: (.staleHandle, .staleHandle)
    case .unknownNode: (.unknownNode, .staleHandle)
    case .unknownFilesystem: (.unknownFilesystem, .ioError)
    case .notAttached: (.notAttached, .ioError)
    case .wrongFilesystem: (.wrongFilesystem, .improperLink)
    case .ambiguousFilesystem: (.ambiguousFilesystem, .ioError)
    case .tooManyFilesystems: (.tooManyFilesystems, .noSpace)
    case .noHandles: (.noHandles, .notSupported)
    case .notOpenable: (.notOpenable, .noSuchAddressOrDevice)
    case .notOpenableHandle: (.notOpenableHandle, .noSuchAddressOrDevice)
    case .refused: (.refused, .staleHandle)
    case .noExport: (.noExport, .staleHandle)
    case .badExport: (.badExport, .invalidArgument)
    case .readOnlyExport: (.readOnlyExport, .readOnlyFileSystem)
    case .unavailable: (.unavailable, .notSupported)
    case .tokenTooLong: (.tokenTooLong, .overflow)
    case .badName: (.badName, .invalidArgument)
    case .mountPoint: (.mountPoint, .improperLink)
    case .exposedKeys: (.exposedKeys, .permissionDenied)
    case .noKeys: (.noKeys, .staleHandle)
    case .unusableKeys: (.unusableKeys, .ioError)
    case .noKey: (.noKey, .staleHandle)
    case .damagedFile: (.damagedFile, .ioError)
    case .foreignFile: (.foreignFile, .ioError)
    case .inUse: (.inUse, .resourceBusy)
    case .alreadyOpen: (.alreadyOpen, .resourceBusy)
    case .readOnly: (.readOnly, .readOnlyFileSystem)
    case .closed: (.closed, .badFileDescriptor)
    case .forked: (.forked, .badFileDescriptor)
    case .noStore: (.noStore, .noSuchFileOrDirectory)
    case .notAStore: (.notAStore, .invalidArgument)
    case .unsupportedVersion: (.unsupportedVersion, .notSupported)
    case .damaged: (.damaged, .ioError)
    case .torn: (.torn, .ioError)
    case .tornCopy: (.tornCopy, .ioError)
    case .sharedData: (.sharedData, .ioError)
    case .badValue: (.badValue, .invalidArgument)
    case .unexpected: (.unexpected, .ioError)
    case .diskFull: (.diskFull, .noSpace)
    case .tooManyOpenFiles: (.tooManyOpenFiles, .tooManyOpenFiles)
    case .tooManyCallers: (.tooManyCallers, .resourceTemporarilyUnavailable)
    case .notPermitted: (.notPermitted, .notPermitted)
    case .system(let errno, _): (.system, errno)
    case .database(let errno, _): (.database, errno)
    }
  }
}
