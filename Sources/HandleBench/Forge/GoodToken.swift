import HandleStore
import SystemPackage

/// A token as the server gave it out.
struct GoodToken: CustomStringConvertible {
  let token: Token
  let form: TokenForm
  let node: NodeID
  let file: TreeFile

  var description: String {
    "the token by \(form == .reference ? "reference" : "value") of \(file.path)"
  }
}

extension Forger {
  /// Returns the tokens of all files inside that do not change. Looks the files up name by name
  /// from the root, as a client does.
  func goodTokens(_ endpoint: Endpoint) throws -> [GoodToken] {
    try inside.flatMap { try goodTokens($0, endpoint) }
  }

  /// Returns the tokens of a file by value and by reference.
  func goodTokens(_ file: TreeFile, _ endpoint: Endpoint) throws -> [GoodToken] {
    let entry = try lookUp(file.path, endpoint)
    let reference = try endpoint.export.token(for: entry.node, form: .reference)
    return [
      GoodToken(
        token: entry.token, form: .value(atMost: Token.maximumLength), node: entry.node,
        file: file),
      GoodToken(token: reference, form: .reference, node: entry.node, file: file),
    ]
  }

  private func lookUp(_ path: FilePath, _ endpoint: Endpoint) throws -> ExportEntry {
    var entry = try endpoint.export.lookup(.node(.root))
    for name in path.components.dropFirst(tree.inside.components.count) {
      let next = try endpoint.export.lookup(FilePath(root: nil, [name]), in: .token(entry.token))
      guard let next else { throw BenchError(description: "\(path) does not exist") }
      entry = next
    }
    return entry
  }

  /// Sends good tokens, to verify that the gate accepts genuine tokens at all.
  func sendGood(_ target: Target, _ good: [GoodToken], count: Int) {
    for _ in 0..<count {
      let one = dice.pick(good)
      send(one.token, to: target.server, .good, .exactly(one.file.truth), "\(one)")
    }
  }
}
