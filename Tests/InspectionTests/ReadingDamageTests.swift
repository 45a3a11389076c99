import Glibc
import HandleStore
import SystemPackage
import TestSupport
import Testing

/// LMDB itself reads damaged pages here, in a process of its own, which it may crash. It may answer with
/// an error, and not with another node's record.
@Suite struct ReadingDamageTests {
  @Test(arguments: Filling.allCases)
  func nothingWrongIsReadFromADamagedStore(_ filling: Filling) async throws {
    let small = try SmallStore(plain: 150, spilled: 20)
    let expected = small.nodes.map { [$0.rawValue.description, $1.handle.hexadecimal] }
    let used = try DamageTests.freePages(small.path).enumerated().filter { !$1 }.map(\.offset)
    // Most pages, and all of them in one of the runs.
    for page in used where filling == .noise || page % 4 == 2 {
      let copy = try small.copy()
      try overwrite(copy.data, at: page * 4096, filling.bytes(4096, seed: page))
      let path = copy.path.string
      await #expect(processExitsWith: .success, "page \(page)") {
        [path = path as String, expected = expected as [[String]]] in
        DamagedReader.crashesAreFine()
        guard let store = try? Store(at: FilePath(path)) else { return }
        for pair in expected {
          guard let number = UInt64(pair[0]),
            let node = try? store.node(NodeID(rawValue: number))
          else { continue }
          if node.handle.hexadecimal != pair[1] { _exit(3) }
        }
        _exit(0)
      }
    }
  }

  /// Whoever has the store open is told what ends it.
  @Test func anAssertionIsExplained() async throws {
    let small = try SmallStore()
    let copy = try small.copy()
    // Each page is a branch with a single child, which LMDB asserts that there is not.
    for page in 2..<(try bytes(of: copy.data).count / 4096) {
      try overwrite(copy.data, at: page * 4096 + 10, [0x01, 0, 18, 0])
    }
    let result = await #expect(
      processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]
    ) { [path = copy.path.string as String] in
      for _ in 0..<100 {
        guard let store = try? Store(at: FilePath(path), options: StoreOptions(readOnly: true))
        else { continue }
        for id in 2..<300 { _ = try? store.node(NodeID(rawValue: UInt64(id))) }
      }
    }
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains("a page of the store in \(copy.path) is damaged (LMDB: "), "\(said)")
    #expect(said.contains("handlestore repair"))
  }

  @Test func theChildTellsAWrongAnswer() async throws {
    let small = try SmallStore(plain: 150, spilled: 20)
    let path = try small.copy()
    await #expect(processExitsWith: .exitCode(3)) { [path = path.path.string as String] in
      DamagedReader.crashesAreFine()
      guard let store = try? Store(at: FilePath(path)) else { return }
      let node = try? store.node(NodeID(rawValue: 2))
      if node?.handle.hexadecimal != "00" { _exit(3) }
    }
  }
}

enum DamagedReader {
  /// Ends the process as if all went well if LMDB crashes it or goes round in circles.
  static func crashesAreFine() {
    for number in [SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGTRAP, SIGFPE, SIGALRM] {
      signal(number) { _ in _exit(0) }
    }
    alarm(20)
  }
}
