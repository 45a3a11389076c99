internal import SystemPackage

extension StoreError {
  /// Turns an error of the engine into the one that a user gets.
  init(ofLMDB error: any Error, path: FilePath) {
    self =
      if let error = error as? LMDBError { StoreError(error, path: path) } else {
        StoreError(any: error, path: path)
      }
  }

  /// The case for a failed LMDB call on the store at `path`.
  private init(_ error: LMDBError, path: FilePath) {
    let what = "using \(path.appending("data.mdb"))"
    switch error {
    case .readersFull: self = .tooManyCallers
    // An earlier commit could not be written.
    case .panic: self = .system(.ioError, what)
    case _ where error.isDamage: self = .damaged(error.text)
    case _ where !error.isErrno: self = .unexpected("\(what): \(error.text)")
    case _ where error.isDiskFull: self = .diskFull(path: path)
    default: self = StoreError(Errno(rawValue: error.code), what)
    }
  }
}
