import ArgumentParser
import HandleStore
import SystemPackage

/// `handlebench forge`.
struct Forge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Sends forged tokens to the gate of an export, which must refuse them.",
    discussion: """
      Creates a directory in DIR, exports one half of it with each containment that is available, \
      and sends tokens: random, cut, extended, spliced, with each single bit flipped; of other \
      exports, stores and keys; with a valid signature over invented handles; and of files that \
      were moved out, deleted or held open, or whose inode numbers were reused. Good tokens are \
      sent in between. A file that the gate opens must be inside and must be the one for which the \
      token was made. Everything that was created is removed at the end. Needs root; DIR may be on \
      any filesystem with handles.

        handlebench forge /srv/export
        handlebench forge /mnt/xfs --count 5000000 --seed 2 --json forged.json

      Columns: how many tokens were sent, passed as they should, were accepted wrongly, and were \
      refused by each check. A signed token may pass if it opens the file that its handle names. \
      The exit code is 1 if a file was accepted wrongly, if a good token was refused, or if a \
      token led to an error that is not a refusal; the first of these are printed, with how they \
      were made.
      """)

  @Argument(help: "The directory in which to create the tree.")
  var directory: String

  @Option(help: "How many tokens to send at least.")
  var count: Int = 300_000

  @Option(help: "The seed of the random choices; keys and inode numbers still differ in each run.")
  var seed: UInt64 = 1

  @Flag(
    help: """
      Make the kernel forget unused names and inodes before files are opened \
      (/proc/sys/vm/drop_caches). This slows down the whole machine.
      """)
  var cold = false

  @Option(help: "Where to put the stores, on a local filesystem.")
  var stores: String?

  @Option(help: "A file to write the results to as JSON.")
  var json: String?

  func validate() throws {
    guard count >= 1 else { throw ValidationError("--count must be 1 or more") }
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
