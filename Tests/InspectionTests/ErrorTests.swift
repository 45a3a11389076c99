import SystemPackage
import Testing

@testable import HandleStore

/// What an error of a floor below is told as.
@Suite struct ErrorTests {
  private let path: FilePath = "/store"

  /// Nobody is to repair a store that is whole.
  @Test func onlyDamageIsDamage() {
    struct Unknown: Error {}
    // MDB_INVALID, _CORRUPTED, _PAGE_NOTFOUND, _VERSION_MISMATCH, _BAD_TXN
    for code: Int32 in [-30793, -30796, -30797, -30794, -30782] {
      guard case .damaged = StoreError(ofLMDB: LMDBError(code: code), path: path) else {
        Issue.record("LMDB's \(code) is not told as damage")
        continue
      }
    }
    // MDB_KEYEXIST, _NOTFOUND, _DBS_FULL, _TXN_FULL, _BAD_RSLOT, _BAD_DBI
    for code: Int32 in [-30799, -30798, -30791, -30788, -30783, -30780] {
      guard case .unexpected = StoreError(ofLMDB: LMDBError(code: code), path: path) else {
        Issue.record(
          "LMDB's \(code) is told as \(StoreError(ofLMDB: LMDBError(code: code), path: path))")
        continue
      }
    }
    guard case .unexpected = StoreError(ofLMDB: Unknown(), path: path) else {
      Issue.record("an unknown error is told as another one")
      return
    }
  }

  @Test(arguments: [Errno.noSpace, .diskQuotaExceeded]) func aFullDiskIsAFullDisk(_ errno: Errno) {
    #expect(StoreError(ofLMDB: errno, path: path) == .diskFull(path: path))
    let told = StoreError(ofLMDB: LMDBError(code: errno.rawValue), path: path)
    #expect(told == .diskFull(path: path))
  }
}
