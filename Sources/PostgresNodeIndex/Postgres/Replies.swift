internal import CPostgres

/// What the server has answered to the messages of one pipeline.
struct Replies {
  private enum Step {
    case preparation(text: String, name: String)
    case rows
  }

  private var steps: [Step] = []
  private var current = 0
  /// The names of the statements that the pipeline prepares, by their texts.
  private(set) var preparing: [String: String] = [:]
  /// What each statement returned, in their order; all of them if there is no failure.
  private(set) var rows: [Rows] = []
  /// The first error.
  private(set) var failure: PostgresError?
  /// Whether the server has answered all, the end of the transaction included.
  private(set) var areComplete = false

  mutating func expectPreparation(_ text: String, _ name: String) {
    preparing[text] = name
    steps.append(.preparation(text: text, name: name))
  }

  mutating func expectRows() { steps.append(.rows) }

  /// Takes the next result. Returns the text and the name of the statement if one is prepared now.
  mutating func take(_ result: QueryResult) -> (String, String)? {
    switch result.status {
    case PGRES_PIPELINE_SYNC: areComplete = true
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
      if case .preparation(let text, let name) = steps[current] { return (text, name) }
      rows.append(Rows(result))
    case PGRES_PIPELINE_ABORTED: break  // It was not tried, because one before it failed.
    default: failure = failure ?? .failed(result)
    }
    return nil
  }

  /// The results of one step are all there.
  mutating func endOfResults() { current += 1 }
}

extension PostgresError {
  fileprivate static func failed(_ result: QueryResult) -> Self {
    guard let state = result.errorField(Field.state) else {
      // Not the server but libpq has failed, so the server may have done it all.
      return .lost("libpq could not take the result")
    }
    let message = result.errorField(Field.message) ?? "the server gives no reason"
    let detail = result.errorField(Field.detail).map { ": \($0)" } ?? ""
    return .failed(state: state, message: message + detail)
  }

  /// The codes of an error's fields: `PG_DIAG_SQLSTATE` and the like.
  private enum Field {
    static let state = CInt(UInt8(ascii: "C"))
    static let message = CInt(UInt8(ascii: "M"))
    static let detail = CInt(UInt8(ascii: "D"))
  }
}
