import HandleStore
import SystemPackage

/// Genuine tokens of another export, store or key.
extension Forger {
  func sendElsewhere(_ target: Target, _ good: [GoodToken]) throws {
    for _ in 0..<10 {
      let one = dice.pick(good)
      let other = dice.pick(target.others)
      send(one.token, to: other, .otherExport, .refusal, "\(one) to \(other.name)")
      // The other export's token for the same node, which need not be in that export.
      let token = try other.export.token(for: one.node, form: one.form)
      send(token, to: target.server, .otherExport, .refusal, "\(one) of \(other.name)")
    }
  }

  /// Sends tokens that other stores made for a file, by value and by reference.
  func sendOfOthers(_ target: Target) throws {
    // Skip files with several names. Only the store that made a token knows which name is inside.
    // The token says so only if handles on the filesystem can name a directory.
    let files = inside.filter { $0.status.type == .directory || $0.status.links == 1 }
    for _ in 0..<5 {
      let file = dice.pick(files)
      for one in try goodTokens(file, target.stranger) {
        send(one.token, to: target.server, .otherKey, .refusal, "\(one), of another store")
      }
      for one in try goodTokens(file, target.friend) {
        // A token by value is good on each server of the export.
        let isGood = one.form != .reference
        send(
          one.token, to: target.server, isGood ? .good : .sharedKey,
          isGood ? .exactly(file.truth) : .refusal, "\(one), of a store that shares the keys")
      }
    }
  }

  /// Makes a new key for the server and drops the old one. The server must then refuse all tokens
  /// that it gave out before.
  func rotate(_ good: [[GoodToken]]) throws {
    try Keyring.rotate(ofStoreAt: stores.server.path, keeping: 0)
    try stores.server.reloadKeys()
    for (target, tokens) in zip(stores.targets, good) {
      for one in tokens {
        send(one.token, to: target.server, .rotatedOut, .refusal, "\(one)")
      }
      sendGood(target, try goodTokens(target.server), count: tokens.count)
    }
  }
}

extension Endpoint {
  var name: String { "export \(export.record.name)" }
}
