internal import HandleStore
internal import SystemPackage

extension StoreError {
  /// Turns an error of the engine into the one that a user gets.
  init(ofPostgres error: any Error) {
    guard let error = error as? PostgresError else {
      self.init(any: error, path: "")
      // Its advice is for a store in a directory.
      if case .damaged(let what) = self {
        self = .database(.ioError, "\(what); restore a backup of the database")
      }
      return
    }
    self =
      switch error {
      // The server's disk is full.
      case .failed("53100", _): .diskFull(path: "the database")
      case .failed where error.isContention:
        .system(.timedOut, "changing what other gateways change all the time")
      // There is no such table.
      case .failed("42P01", _): .noStore(path: "the database")
      // The role has too few rights.
      case .failed("42501", _):
        .database(.permissionDenied, "\(error); grant the role its rights (Docs/Gateways.md)")
      // The server or the transaction only reads.
      case .failed("25006", _):
        .database(.permissionDenied, "\(error); name the host that takes writes")
      case .failed:
        .database(.ioError, "\(error); see the log of the server, and mend what it names")
      case .unreachable, .lost: .system(.timedOut, "using the database: \(error)")
      }
  }
}
