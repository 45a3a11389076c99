import ArgumentParser
import HandleStore
import SystemPackage

/// `handlebench forge`.
struct Forge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sends forged tokens to the gate of an export, which must refuse them.",
    discussion: """
      Makes a directory in DIR, exports one half of what is in it by each containment that can be \
      had, and sends tokens: random, cut, extended, spliced, with each single bit flipped; of other \
      exports, stores and keys; with a right signature over handles that were made up; of files that \
      were moved out, deleted, held open, and whose inode numbers came back. Between them it sends \
      good tokens. A file that is opened must be inside, and the one for which the token was made. \
      All that was made is removed at the end. Needs root; DIR may be on any filesystem with handles.

        handlebench forge /srv/export
        handlebench forge /mnt/xfs --count 5000000 --seed 2 --json forged.json

      Columns: how many were sent, passed as they should, were accepted wrongly, and were refused by \
      each check. What passes among the signed ones is the file that the handle names. The code is 1 where a file was \
      accepted wrongly, a good token was refused, or a token was answered with an error that is no \
      refusal; the first of these are printed with how they were made.
      """)

  @Argument(help: "A directory to make the tree in.")
  var directory: String

  @Option(help: "How many tokens to send, at the least.")
  var count: Int = 300_000

  @Option(help: "What the choices follow from; keys and inode numbers are others in each run.")
  var seed: UInt64 = 1

  @Flag(
    help: """
      Make the kernel forget the names and inodes that nobody uses before files are asked for \
      (/proc/sys/vm/drop_caches). Slower, and the whole machine feels it.
      """)
  var cold = false

  @Option(help: "Where to put the stores, on a local filesystem.")
  var stores: String?

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard count >= 1 else { throw ValidationError("--count is 1 at the least") }
  }

  func run() throws {
    let interruption = Interruption()
    let (report, isAsItMustBe) = try withForger { forger in
      try forger.run(count: count) { try interruption.check() }
      return (ForgeReport(forger, seed: seed), forger.tally.isAsItMustBe)
    }
    report.print()
    if let json { try report.write(to: FilePath(json)) }
    guard isAsItMustBe else { throw ExitCode(1) }
  }

  private func withForger<R>(_ body: (Forger) throws -> R) throws -> R {
    let tree = try ForgeTree(in: FilePath(directory))
    return try Self.always(tree.remove) {
      try tree.fill()
      let stores = try ForgeStores(tree, parent: stores)
      return try Self.always(stores.remove) {
        try body(Forger(tree, stores, seed: seed, isCold: cold))
      }
    }
  }

  /// Runs `body`, and then `last` in any case.
  private static func always<R>(_ last: () throws -> Void, _ body: () throws -> R) throws -> R {
    let result = Result { try body() }
    let ending = Result { try last() }
    let value = try result.get()
    try ending.get()
    return value
  }
}

extension Forger {
  /// Sends some tokens of each kind in each round, until it has sent `count` or more.
  func run(count: Int, check: () throws -> Void) throws {
    let good = try stores.targets.map { try goodTokens($0.server) }
    while tally.sent < count {
      for (target, tokens) in zip(stores.targets, good) where tally.sent < count {
        try check()
        forgeBytes(target, tokens)
        try sendElsewhere(target, tokens)
        try sendOfOthers(target)
        try forgeSigned(target)
        try changeFiles(target)
        try forgetNames()
        sendGood(target, tokens, count: 200)
      }
    }
    try rotate(good)
  }
}
