/// The findings of a check, up to a limit.
final class FindingList {
  private let limit: Int
  private(set) var findings: [Finding] = []
  /// The number of all findings, including those beyond the limit.
  private(set) var count = 0

  init(limit: Int) { self.limit = limit }

  func add(
    _ kind: Finding.Kind, page: Int? = nil, node: NodeID? = nil,
    _ description: @autoclosure () -> String
  ) {
    count += 1
    guard findings.count < limit else { return }
    findings.append(Finding(kind, page: page, node: node, description()))
  }

  func add(_ fault: PageFault, in tree: String, kind: Finding.Kind = .page) {
    add(kind, page: fault.page, "page \(fault.page) of \(tree) \(fault.reason)")
  }
}
