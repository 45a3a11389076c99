import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// Programs in other languages know the errors by these numbers.
@Suite struct ErrorCodeTests {
  private static let numbers: [StoreError.Code: Int32] = [
    .stale: 1, .staleHandle: 2, .unknownNode: 3, .unknownFilesystem: 4, .notAttached: 5,
    .wrongFilesystem: 6, .ambiguousFilesystem: 7, .tooManyFilesystems: 8, .noHandles: 9,
    .notOpenable: 10, .notOpenableHandle: 11, .refused: 20, .noExport: 21, .badExport: 22,
    .readOnlyExport: 23, .unavailable: 24, .tokenTooLong: 25, .badName: 26, .mountPoint: 27,
    .exposedKeys: 28, .noKeys: 29, .unusableKeys: 30, .noKey: 31, .damagedFile: 32,
    .foreignFile: 33, .inUse: 40, .alreadyOpen: 41, .readOnly: 42, .closed: 43, .forked: 44,
    .noStore: 45, .notAStore: 46, .unsupportedVersion: 47, .damaged: 48, .torn: 49, .tornCopy: 50,
    .sharedData: 51, .badValue: 52, .unexpected: 53, .diskFull: 60, .tooManyOpenFiles: 61,
    .tooManyCallers: 62, .notPermitted: 63, .system: 64, .database: 65,
  ]

  @Test func theNumbersStayTheSame() {
    for code in StoreError.Code.allCases {
      #expect(Self.numbers[code] == code.rawValue, "\(code)")
    }
  }

  /// Docs/Operations.md says of each error what it means and what to do, in the order of the numbers.
  @Test func eachCodeIsInTheTable() throws {
    let document = FilePath(#filePath).removingLastComponent()
      .appending("../../Docs/Operations.md")
    let rows = try read(document).split(separator: "\n").compactMap {
      $0.prefixMatch(of: /\| (\d+) \| `(\w+)` \|/).map { "\($0.1) \($0.2)" }
    }
    #expect(rows == StoreError.Code.allCases.map { "\($0.rawValue) \($0)" })
  }

  /// The errors that a file server meets while it serves.
  @Test(arguments: [
    (StoreError.stale(.root), ESTALE), (.unknownNode(.root), ESTALE), (.refused(.outside), ESTALE),
    (.diskFull(path: "/store"), ENOSPC), (.tooManyOpenFiles, EMFILE),
    (.system(.permissionDenied, "opening"), EACCES), (.badName("a/b"), EINVAL),
    (.noHandles(FilesystemMagic(rawValue: 0x6969)), ENOTSUP), (.mountPoint("a"), EXDEV),
    (.damaged("page 7"), EIO), (.closed, EBADF),
  ])
  func whatAServerReplies(_ error: StoreError, _ number: CInt) {
    #expect(error.errno.rawValue == number)
  }
}
