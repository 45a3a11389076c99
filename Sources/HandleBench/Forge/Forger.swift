import HandleStore
import SystemPackage

/// Sends tokens to the gate and judges the answers.
final class Forger {
  let tree: ForgeTree
  let stores: ForgeStores
  var dice: Dice
  var tally = Tally()
  /// The deleted files by inode number.
  var dead: [UInt64: Subject] = [:]
  private let isCold: Bool
  /// The files that do not change during the run.
  let inside, outside: [TreeFile]

  init(_ tree: ForgeTree, _ stores: ForgeStores, seed: UInt64, isCold: Bool) throws {
    self.tree = tree
    self.stores = stores
    self.isCold = isCold
    dice = Dice(seed: seed)
    inside = try tree.files(in: tree.inside)
    outside = try tree.files(in: tree.outside)
    guard !stores.targets.isEmpty else {
      throw BenchError(description: "no export is possible here")
    }
  }

  /// Makes the kernel forget names and inodes, if the run asks for that.
  func forgetNames() throws {
    guard isCold else { return }
    // Take the census first: judging an answer would load the names again.
    try tree.takeCensus()
    let file = try FileDescriptor.open(FilePath("/proc/sys/vm/drop_caches"), .writeOnly)
    try file.closeAfter { _ = try file.writeAll("2".utf8) }
  }

  /// Sends a token to the gate of an export, and records the answer.
  ///
  /// - Parameter how: how the token was made.
  func send(
    _ token: Token, to endpoint: Endpoint, _ attack: Attack, _ expected: Expected,
    _ how: @autoclosure () -> String
  ) {
    tally.send(attack)
    func finding(_ what: String) -> Finding {
      Finding(
        attack: attack, containment: endpoint.export.containments[0], token: token, how: how(),
        what: what)
    }
    do {
      let file = try endpoint.export.open(.token(token), as: .path)
      defer { try? file.close() }
      if let wrong = try fault(in: file, truth: expected.truth) {
        tally.acceptWrongly(finding(wrong))
      } else {
        tally.accept(attack)
      }
    } catch StoreError.refused(let refusal) {
      tally.refuse(attack, refusal)
      if case .exactly = expected { tally.refuseWrongly(finding("refused: \(refusal)")) }
    } catch {
      tally.fail(finding("an error that is not a refusal: \(error)"))
    }
  }

  /// Returns what is wrong with a file that passed, or `nil` if it is inside and is the file that
  /// the token was made for.
  private func fault(in file: FileDescriptor, truth: Truth?) throws -> String? {
    let handle = try KernelFileHandle(of: file)
    let status = try FileStatus(of: file)
    guard let truth else { return "it opened \(handle)" }
    guard handle == truth.handle else {
      return "it opened \(handle), but was made for \(truth.handle)"
    }
    guard status.type == truth.type else { return "it opened a file of type \(status.type)" }
    guard try tree.isInside(handle) else { return "it opened \(handle), which is outside" }
    return nil
  }
}
