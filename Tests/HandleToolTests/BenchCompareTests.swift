import Foundation
import TestSupport
import Testing

/// `handlebench compare`. Times of the first workload, "register, batched", are changed.
@Suite struct BenchCompareTests {
  private static let steady = [100.0, 101, 102, 103, 104]

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func result(
    _ name: String, _ ours: [Double], _ theirs: [Double] = steady,
    _ change: (inout [String: Any]) -> Void = { _ in }
  ) throws -> String {
    try BenchResults.changed("run-10000", in: directory, as: "\(name).json") { tree in
      // One workload is left that the changes are about.
      let workloads = tree["workloads"] as? [[String: Any]] ?? []
      tree["workloads"] = Array(workloads.prefix(1))
      BenchResults.setRounds(&tree, ours, theirs)
      change(&tree)
    }
  }

  private func compare(_ old: String, _ new: String, _ more: String...) throws -> CommandResult {
    try run([Commands.handlebench, "compare", old, new] + more)
  }

  private func scaled(_ factor: Double) -> [Double] { Self.steady.map { $0 * factor } }

  @Test func theSameTwice() throws {
    let file = BenchResults.path("fs")
    let first = try compare(file, file)
    #expect(first.status == 0, "\(first.output)")
    #expect(first.output.contains("0 of 23 workloads slower by more than 5 %"))
    #expect(!first.output.contains("SLOWER"))
    // Redrawing is the same each time, also of a row with a thousand rounds.
    let (old, new) = (BenchResults.path("run-10000"), BenchResults.path("run-100000"))
    #expect(try compare(old, new).output == compare(old, new).output)
  }

  @Test func aWorkloadThatBecameSlower() throws {
    let (old, new) = (try result("old", scaled(1)), try result("new", scaled(1.2)))
    let found = try compare(old, new)
    #expect(found.status == 1)
    #expect(found.output.contains(/register, batched .*\+20\.0 %.* SLOWER \(beside yardstick\)/))
    let allowed = try compare(old, new, "--threshold", "25")
    #expect(allowed.status == 0)
    #expect(allowed.output.contains(" slower (beside yardstick)"))
  }

  @Test func aWorkloadThatBecameFaster() throws {
    let found = try compare(result("old", scaled(1.2)), result("new", scaled(1)))
    #expect(found.status == 0)
    #expect(found.output.contains(" faster (beside yardstick)"))
  }

  /// Of rates, more is better.
  @Test func aRateThatFell() throws {
    let inRates = { (tree: inout [String: Any]) in
      BenchResults.changeFirstWorkload(&tree) { $0["unit"] = "operations/s" }
    }
    let old = try result("old", scaled(1.2), Self.steady, inRates)
    let found = try compare(old, result("new", scaled(1), Self.steady, inRates))
    #expect(found.status == 1)
    #expect(found.output.contains("+20.0 %"))
  }

  /// A rate that nothing is compared with is shown as a time.
  @Test func aRateByItself() throws {
    let alone = { (tree: inout [String: Any]) in
      BenchResults.changeFirstWorkload(&tree) { workload in
        workload["unit"] = "operations/s"
        workload["contenders"] = Array((workload["contenders"] as? [Any] ?? []).prefix(1))
      }
    }
    let old = try result("old", scaled(1e6 / 102), Self.steady, alone)
    let found = try compare(old, result("new", scaled(1e6 / 204), Self.steady, alone))
    #expect(found.output.contains(/register, batched +1,000 +2,000 +\+100\.0 %.* SLOWER\n/))
  }

  /// A slower machine is no regression.
  @Test func bothSidesBecameSlower() throws {
    let found = try compare(result("old", scaled(1)), result("new", scaled(2), scaled(2)))
    #expect(found.status == 0)
    #expect(found.output.contains("within the noise"))
  }

  /// The medians differ by 20 %, and the rounds by more.
  @Test func aChangeWithinTheNoise() throws {
    let old = try result("old", [60, 90, 100, 150, 170])
    let found = try compare(old, result("new", [70, 100, 120, 160, 180]))
    #expect(found.status == 0)
    #expect(found.output.contains("within the noise"))
  }

  @Test func tooFewRounds() throws {
    let found = try compare(
      result("old", [100, 101], [100, 101]), result("new", [900, 901], [100, 101]))
    #expect(found.status == 0)
    #expect(found.output.contains("not compared: fewer than 3 rounds"))
    #expect(found.output.contains("0 of 0 workloads slower by more than 5 %; 1 not compared"))
  }

  @Test func workloadsOfOneFileAreNamed() throws {
    let old = try result("old", scaled(1)) { tree in
      BenchResults.changeFirstWorkload(&tree) { $0["name"] = "what was measured before" }
    }
    let found = try compare(old, result("new", scaled(1)))
    #expect(found.status == 0)
    #expect(found.output.contains(/what was measured before +only in OLD/))
    #expect(found.output.contains(/register, batched +only in NEW/))
    #expect(found.output.contains("0 of 0 workloads"))
  }

  @Test func whatMakesItDoubtfulIsSaid() throws {
    let found = try compare(BenchResults.path("run-10000"), BenchResults.path("run-100000"))
    #expect(found.output.contains("note: OLD comes from a noisy machine"))
    #expect(found.output.contains("note: the options differ: nodes 10000"))
  }

  @Test func twoBenchmarks() throws {
    let found = try compare(BenchResults.path("run-10000"), BenchResults.path("fs"))
    #expect(found.status == 1)
    #expect(found.errors.contains("give two results of one of them"), "\(found.errors)")
  }

  /// Names do nothing to a terminal, and each workload has one line.
  @Test func namesWithControlCharacters() throws {
    let named = { (tree: inout [String: Any]) in
      BenchResults.changeFirstWorkload(&tree) { $0["name"] = "a\u{1b}[31m\nb\u{9b}c" }
    }
    let old = try result("old", scaled(1), Self.steady, named)
    let found = try compare(old, result("new", scaled(1), Self.steady, named))
    #expect(found.output.contains(#"a\x1B[31m\x0Ab\x9Bc "#), "\(found.output)")
    #expect(!found.output.contains("\u{1b}") && !found.output.contains("\u{9b}"))
  }

  @Test func thresholds() throws {
    let (old, new) = (try result("old", scaled(1)), try result("new", scaled(1.03)))
    #expect(try compare(old, new, "--threshold", "0").status == 1)
    #expect(try compare(old, new).status == 0)
    #expect(try compare(old, new, "--threshold", "1000").status == 0)
    for wrong in ["-1", "nan", "inf"] {
      #expect(try compare(old, new, "--threshold=\(wrong)").status == 64)
    }
  }
}
