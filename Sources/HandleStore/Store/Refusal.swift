/// The kind of an error, without its details, as ``Statistics`` counts it.
public enum Refusal: Int, CaseIterable, Hashable, Sendable {
  /// ``StoreError/stale(_:)`` and ``StoreError/staleHandle(_:)``.
  case stale
  /// ``StoreError/unknownNode(_:)``.
  case unknownNode
  /// ``StoreError/unknownFilesystem(_:)``.
  case unknownFilesystem
  /// ``StoreError/notAttached(_:)``.
  case notAttached
  /// ``StoreError/wrongFilesystem(_:_:)``.
  case wrongFilesystem
  /// ``StoreError/ambiguousFilesystem(_:)``.
  case ambiguousFilesystem
  /// ``StoreError/noHandles(_:)``.
  case noHandles
  /// ``StoreError/notOpenable(_:_:)`` and ``StoreError/notOpenableHandle(_:_:)``.
  case notOpenable
  /// ``StoreError/refused(_:)``, for which the gate also has counters of its own.
  case gate
  /// ``StoreError/unusableKeys(path:reason:)``, ``StoreError/exposedKeys(path:)`` and
  /// ``StoreError/noKeys(path:)``.
  case keys
  /// ``StoreError/readOnlyExport(_:)``.
  case readOnlyExport
  /// ``StoreError/readOnly``.
  case readOnly
  /// ``StoreError/foreignFile(path:remedy:)``.
  case foreignFile
  /// ``StoreError/damaged(_:)`` and ``StoreError/damagedFile(path:_:)``.
  case damaged
  /// ``StoreError/diskFull(path:)``.
  case diskFull
  /// ``StoreError/tooManyOpenFiles``.
  case tooManyOpenFiles
  /// ``StoreError/tooManyReaders``.
  case tooManyReaders
  /// ``StoreError/notPermitted(_:)``.
  case notPermitted
  /// Any other error.
  case other
}

extension StoreError {
  /// The kind of this error.
  public var refusal: Refusal {
    switch self {
    case .stale, .staleHandle: .stale
    case .unknownNode: .unknownNode
    case .unknownFilesystem: .unknownFilesystem
    case .notAttached: .notAttached
    case .wrongFilesystem: .wrongFilesystem
    case .ambiguousFilesystem: .ambiguousFilesystem
    case .noHandles: .noHandles
    case .notOpenable, .notOpenableHandle: .notOpenable
    case .refused: .gate
    case .unusableKeys, .exposedKeys, .noKeys: .keys
    case .readOnlyExport: .readOnlyExport
    case .readOnly: .readOnly
    case .foreignFile: .foreignFile
    case .damaged, .damagedFile: .damaged
    case .diskFull: .diskFull
    case .tooManyOpenFiles: .tooManyOpenFiles
    case .tooManyReaders: .tooManyReaders
    case .notPermitted: .notPermitted
    default: .other
    }
  }
}
