import CYardstick
import HandleStore
import SystemPackage

/// The workloads on the tokens of a tree's files.
struct TokenWorkloads {
  private static let count: UInt64 = 100_000

  let bench: Bench
  let store: Store
  /// The tree's root. The yardstick has the handles of the files below it.
  let tree: FileDescriptor
  let path: FilePath
  let nodes: [NodeID]

  func run(_ show: (Comparison) -> Void) throws {
    for containment in Containment.allCases {
      let name = "decode, \(containment.rawValue)"
      guard let export = try export(containment, for: name) else { continue }
      show(try bench.step(name) { try decode(containment, export, name) })
    }
    let export = try store.addExport("tokens", roots: [tree], containment: .walk)
    let byValue = TokenForm.value(atMost: Token.maximumLength)
    show(try encode(byValue, as: "encode by value", goal: .value(200), of: export))
    show(try encode(.reference, as: "encode by reference", of: export))
    show(try bench.step("signature") { try signature(export) })
  }

  /// Adds an export of the tree, or of its whole filesystem if the containment needs that. Returns
  /// `nil`, and notes why, if there can be none here: on a machine whose only filesystem also holds
  /// the store, that filesystem cannot be exported.
  private func export(_ containment: Containment, for workload: String) throws -> Export? {
    let root = containment == .wholeFilesystem ? try top() : try tree.duplicate()
    defer { try? root.close() }
    do throws(StoreError) {
      return try store.addExport(containment.rawValue, roots: [root], containment: containment)
    } catch {
      switch error {
      case .unavailable, .badExport:
        bench.missing.append(Missing(name: workload, reason: error.description))
        return nil
      default: throw error
      }
    }
  }

  /// Opens the highest parent directory of the tree on its filesystem.
  private func top() throws -> FileDescriptor {
    let device = try FileStatus(of: tree).device
    var found = try directory(path)
    while true {
      let above = try directory(found.path.appending(".."))
      guard above.status.device == device, above.status.inode != found.status.inode else {
        return try FileDescriptor.open(found.path, .readOnly, options: .directory)
      }
      found = above
    }
  }

  private func directory(_ path: FilePath) throws -> (path: FilePath, status: FileStatus) {
    let descriptor = try FileDescriptor.open(path, .readOnly, options: .directory)
    return (path, try descriptor.closeAfter { try FileStatus(of: descriptor) })
  }

  /// What a containment has to reach; `nil` if nothing was asked of it.
  private func goal(_ containment: Containment) -> Goal? {
    switch containment {
    case .wholeFilesystem: .ratio(1.7)
    case .kernel: .ratio(2.6)
    default: nil
    }
  }

  private func decode(
    _ containment: Containment, _ export: Export, _ name: String
  ) throws -> Comparison {
    let tokens = try nodes.map { try export.token(for: $0) }
    for token in tokens { try export.open(.token(token), as: .path).close() }
    return try Comparison(name, goal: goal(containment), rounds: bench.rounds) { recorder in
      try timed(Self.count, recorder) { i in
        let token = tokens[Int(ys_random(i) % UInt64(tokens.count))]
        try export.open(.token(token), as: .path).close()
      }
    } theirs: { recorder in
      try Bench.timing(Self.count, recorder) { ys_open_handles(tree.rawValue, Self.count, $0) }
    }
  }

  private func encode(
    _ form: TokenForm, as name: String, goal: Goal? = nil, of export: Export
  ) throws -> Comparison {
    let count: UInt64 = 1_000_000
    return try bench.step(name) {
      try encode(form, as: name, goal, count, of: export)
    }
  }

  private func encode(
    _ form: TokenForm, as name: String, _ goal: Goal?, _ count: UInt64, of export: Export
  ) throws -> Comparison {
    try Comparison(name, goal: goal, rounds: bench.rounds) { recorder in
      try timed(count, recorder) { i in
        _ = try export.token(for: nodes[Int(ys_random(i) % UInt64(nodes.count))], form: form)
      }
    } theirs: { recorder in
      try Bench.timing(count, recorder) { ys_tokens(form == .reference ? 1 : 0, count, $0) }
    }
  }

  /// Measures what checking a signature adds. Times tokens that are refused for their signature,
  /// before any system call, and the same tokens refused one check earlier because no key has their
  /// key id.
  private func signature(_ export: Export) throws -> Comparison {
    let tokens = try nodes.map { try export.token(for: $0).bytes }
    let unsigned = tokens.map { Token(bytes: $0.dropLast() + [~$0[$0.count - 1]]) }
    let keyless = tokens.map { Token(bytes: $0[..<2] + [~$0[2]] + $0[3...]) }
    return try Comparison("signature", goal: .added(150), rounds: bench.rounds) { recorder in
      try refuse(unsigned, .signature, export, recorder)
    } theirs: { recorder in
      try refuse(keyless, .key, export, recorder)
    }
  }

  private func refuse(
    _ tokens: [Token], _ reason: GateRefusal, _ export: Export, _ recorder: Recorder?
  ) throws -> Timing {
    try timed(500_000, recorder) { i in
      do throws(StoreError) {
        _ = try export.open(
          .token(tokens[Int(ys_random(i) % UInt64(tokens.count))]), as: .path)
      } catch {
        guard error == .refused(reason) else { throw error }
      }
    }
  }
}
