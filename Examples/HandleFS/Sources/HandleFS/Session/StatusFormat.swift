internal import ArgumentParser

/// How `handlefs status` prints what a server tells.
enum StatusFormat: String, CaseIterable, ExpressibleByArgument {
  case text
  case json
  case openmetrics
  case prometheus
}

extension StatusFormat {
  /// Stands at the end of an answer that is complete: the server may be killed while it answers.
  static let end = "\0"
}
