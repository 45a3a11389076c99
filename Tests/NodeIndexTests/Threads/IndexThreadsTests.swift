import SystemPackage
import TestSupport
import Testing

@testable import HandleStore

/// Many threads at once.
@Suite struct IndexThreadsTests {
  @Test(arguments: Engine.allCases) func oneThreadIsToldCreated(_ engine: Engine) async throws {
    let test = try TestIndex(engine)
    let index = test.index
    let created = try await withThrowingTaskGroup(of: [NodeID].self) { group in
      for thread in 0..<4 {
        group.addTask {
          var created: [NodeID] = []
          for i in 0..<300 as Range<UInt64> {
            // Threads go in two directions, alone and in batches.
            let inode = thread % 2 == 0 ? i : 299 - i
            let file = Synthetic.file(inode)
            let attempts =
              thread < 2
              ? [try index.register(file, on: TestIndex.tmpfs, Survivors())]
              : try index.register(batch: [file], on: TestIndex.tmpfs, Survivors())
            guard case .done(let done) = attempts[0] else { continue }
            if done.outcome == .created { created.append(done.node) }
          }
          return created
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(created.count == 300 && Set(created).count == 300)
    #expect(try index.count() == 300)
  }

  /// An inode is given from file to file, while others register the newest one.
  @Test(arguments: Engine.allCases) func aNodeIsReplacedOnce(_ engine: Engine) async throws {
    let test = try TestIndex(engine)
    let index = test.index
    let replaced = try await withThrowingTaskGroup(of: [NodeID].self) { group in
      for _ in 0..<4 {
        group.addTask {
          var replaced: [NodeID] = []
          for generation in 1...200 as ClosedRange<UInt32> {
            let file = Synthetic.file(1, generation: generation)
            var survivors = Survivors()
            while case .contested(let other) = try index.register(
              file, on: TestIndex.tmpfs, survivors)
            {
              let known = try #require(other.key).generation
              survivors[file.handle, other.handle] = known > generation ? .other : .candidate
            }
            if case .done(let done) = try index.register(file, on: TestIndex.tmpfs, survivors),
              case .replaced(let old) = done.outcome
            {
              replaced.append(old)
            }
          }
          return replaced
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(replaced).count == replaced.count)
    #expect(try index.nodes(from: .root, limit: 1000, on: nil, in: .live).nodes.count == 1)
  }
}
