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
      guard let export = try export(containment) else {
        print("decode, \(containment.rawValue): not available here")
        continue
      }
      show(try decode(containment, export))
    }
    let export = try store.addExport("tokens", roots: [tree], containment: .walk)
    show(try encode(.value(atMost: Token.maximumLength), as: "encode by value", of: export))
    show(try encode(.reference, as: "encode by reference", of: export))
    show(try signature(export))
  }

  /// Adds an export of the tree, or of its whole filesystem if the containment needs that. Returns
  /// `nil` if the containment is not available here.
  private func export(_ containment: Containment) throws -> Export? {
    let root = containment == .wholeFilesystem ? try top() : try tree.duplicate()
    defer { try? root.close() }
    do throws(StoreError) {
      return try store.addExport(containment.rawValue, roots: [root], containment: containment)
    } catch {
      if case .unavailable = error { return nil }
      throw error
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

  private func decode(_ containment: Containment, _ export: Export) throws -> Comparison {
    let tokens = try nodes.map { try export.token(for: $0) }
    for token in tokens { try export.open(.token(token), as: .path).close() }
    let goal = Goal.ratio(2)
    return try Comparison(
      "decode, \(containment.rawValue)", goal: goal, rounds: bench.rounds
    ) { recorder in
      try timed(Self.count, recorder) { i in
        let token = tokens[Int(ys_random(i) % UInt64(tokens.count))]
        try export.open(.token(token), as: .path).close()
      }
    } theirs: { recorder in
      try Bench.timing(Self.count, recorder) { ys_open_handles(tree.rawValue, Self.count, $0) }
    }
  }

  private func encode(_ form: TokenForm, as name: String, of export: Export) throws -> Comparison {
    let count: UInt64 = 1_000_000
    return try Comparison(name, rounds: bench.rounds) { recorder in
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
