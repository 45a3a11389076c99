import Foundation
import HandleStore
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Renames while a token is decoded: it is accepted only for a file that was inside at some moment
/// during the call.
@Suite(.mounts) struct RaceTests {
  private static let calls = 500 * soak

  /// A number that grows with each step of a mover, before it and after it.
  private final class Steps: Sendable {
    private let number = Atomic<Int>(0)
    private let calls = Atomic<Int>(0)
    private let isOver = Atomic<Bool>(false)
    var now: Int { number.load(ordering: .sequentiallyConsistent) }
    func pass() { number.add(1, ordering: .sequentiallyConsistent) }
    func end() { isOver.store(true, ordering: .relaxed) }
    var goesOn: Bool { !isOver.load(ordering: .relaxed) }

    func called() { calls.add(1, ordering: .relaxed) }

    /// Rests until some calls have ended, or for a while.
    func waitForCalls() {
      let enough = calls.load(ordering: .relaxed) + 3
      for _ in 0..<100 where goesOn && calls.load(ordering: .relaxed) < enough { usleep(10) }
    }

    /// Does a step between two numbers.
    func step(_ body: () throws -> Void) throws {
      pass()
      try body()
      pass()
    }
  }

  /// What came of calls: those that lay within one step of the mover, or between two, by that.
  private struct Seen {
    /// Of all calls.
    var acceptances = 0
    var accepted: [Int: Int] = [:]
    var refused: [Int: Int] = [:]
  }

  /// Decodes a token while a mover goes round through some steps.
  ///
  /// - Parameter rest: whether the mover rests after a step, so that calls fit in.
  private func race(
    _ export: Export, _ token: Token, calls: Int = calls, rest: Bool = true,
    rounds steps: [@Sendable () throws -> Void]
  ) throws -> Seen {
    let clock = Steps()
    let mover = Thread {
      while clock.goesOn {
        for step in steps {
          try? clock.step(step)
          if rest { clock.waitForCalls() }
        }
      }
    }
    mover.start()
    var seen = Seen()
    for call in 0..<(calls * 20) {
      // On a busy machine a call at rest may be long in coming.
      if call >= calls, !rest || seen.accepted[0] != nil && seen.refused[2] != nil { break }
      let before = clock.now
      let status = try? export.status(token)
      clock.called()
      if status != nil { seen.acceptances += 1 }
      guard clock.now == before else { continue }
      // Even: the state after so many steps; odd: within one.
      let state = before % (2 * steps.count)
      if status == nil { seen.refused[state, default: 0] += 1 }
      if status != nil { seen.accepted[state, default: 0] += 1 }
    }
    clock.end()
    while !mover.isFinished { usleep(1000) }
    return seen
  }

  /// Where it rests, both answers are exact; while it moves, either is.
  private func check(_ seen: Seen) {
    #expect(seen.accepted[2] == nil, "accepted while outside: \(seen)")
    #expect(seen.refused[0] == nil, "refused while inside: \(seen)")
    #expect(seen.accepted[0] != nil && seen.refused[2] != nil, "no call while it rested: \(seen)")
  }

  @Test(.serialized, arguments: Kept.all) func aFileThatGoesInAndOut(_ kept: Kept) throws {
    let exported = try kept.make()
    let (here, there) = (exported.inside.appending("file"), exported.outside.appending("away"))
    try unlink(exported.inside.appending("directory/below/hardlink"))
    let seen = try race(
      exported.export, exported.token("file"),
      rounds: [
        { try TestSupport.rename(here, to: there) }, { try TestSupport.rename(there, to: here) },
      ])
    check(seen)
  }

  @Test(.serialized, arguments: Kept.all) func aDirectoryThatGoesInAndOut(_ kept: Kept) throws {
    let exported = try kept.make()
    let (here, there) = (
      exported.inside.appending("directory"), exported.outside.appending("away")
    )
    let seen = try race(
      exported.export, exported.token("directory/below/two"),
      rounds: [
        { try TestSupport.rename(here, to: there) }, { try TestSupport.rename(there, to: here) },
      ])
    check(seen)
  }

  /// One directory leaves another just before that one comes in, so that each step of the way up may be
  /// seen where it leads inside, and yet the file never is.
  @Test(.serialized, arguments: Kept.all, ["inner", "inner/file"])
  func aFileThatIsNeverInside(_ kept: Kept, _ name: String) throws {
    let exported = try kept.make()
    let (bridge, away) = (exported.inside.appending("bridge"), exported.outside.appending("away"))
    // A long way, so that much happens on it. The kernel goes up from a directory in a moment, so it has a
    // longer one, more often.
    let kernelGoes = kept.containment != .walk && name == "inner"
    let between = (1...(kernelGoes ? 200 : 30)).map { "\($0)/" }.joined()
    let inner = between + "inner"
    try makeDirectory(bridge.appending(inner))
    try TestSupport.write("secret", to: bridge.appending(inner).appending("file"))
    let token = try exported.token("bridge/\(between)\(name)")
    let (there, apart) = (away.appending(inner), exported.outside.appending("inner"))
    try TestSupport.rename(bridge, to: away)
    let seen = try race(
      exported.export, token, calls: kernelGoes ? Self.calls * 30 : Self.calls / 6, rest: false,
      rounds: [
        { try TestSupport.rename(there, to: apart) }, { try TestSupport.rename(away, to: bridge) },
        { try TestSupport.rename(bridge, to: away) }, { try TestSupport.rename(apart, to: there) },
      ])
    #expect(seen.acceptances == 0, "accepted though it was never inside: \(seen)")
  }

  /// The same with the renames done by another process.
  @Test(.serialized, arguments: Kept.all) func anotherProcessMoves(_ kept: Kept) throws {
    let exported = try kept.make()
    let bridge = exported.inside.appending("bridge")
    try makeDirectory(bridge.appending("inner"))
    try TestSupport.write("secret", to: bridge.appending("inner/file"))
    let tokens = [try exported.token("bridge/inner"), try exported.token("bridge/inner/file")]
    try TestSupport.rename(bridge, to: exported.outside.appending("bridge"))
    let script = """
      import os, sys
      os.chdir(sys.argv[1])
      print("moving", flush=True)
      parent = os.getppid()
      while os.getppid() == parent:
          os.rename("outside/bridge/inner", "outside/inner")
          os.rename("outside/bridge", "inside/bridge")
          os.rename("inside/bridge", "outside/bridge")
          os.rename("outside/inner", "outside/bridge/inner")
      """
    let mover = try Child(["python3", "-c", script, exported.volume.path.string])
    #expect(mover.line() == "moving")
    var refusals = 0
    for _ in 0..<(Self.calls / 6) {
      for token in tokens {
        #expect(throws: StoreError.self) { try exported.export.status(token) }
        refusals += 1
      }
    }
    #expect(refusals == 2 * (Self.calls / 6))
    mover.kill()
  }

  /// What is looked up by a name while the directory goes out is not given to the client.
  @Test(.serialized, arguments: Kept.all) func aNameInADirectoryThatGoesOut(_ kept: Kept) throws {
    let exported = try kept.make()
    let (here, there) = (
      exported.inside.appending("directory"), exported.outside.appending("away")
    )
    let parent = try exported.token("directory")
    let clock = Steps()
    let mover = Thread {
      while clock.goesOn {
        // Outside it has a file that is never inside.
        let secret = there.appending("secret")
        try? clock.step { try TestSupport.rename(here, to: there) }
        try? clock.step { try TestSupport.write("secret", to: secret) }
        try? clock.step { try unlink(secret) }
        try? clock.step { try TestSupport.rename(there, to: here) }
      }
    }
    mover.start()
    for _ in 0..<Self.calls {
      let found = try? exported.export.lookup("secret", in: .token(parent))
      #expect(found == .none || found == .some(nil), "found \(String(describing: found))")
    }
    clock.end()
    while !mover.isFinished { usleep(1000) }
  }
}
