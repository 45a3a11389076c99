/// A statement of SQL and the values of its parameters `$1`, `$2` and so on. A connection prepares
/// it once, by its text, so the text holds no values.
struct Statement {
  let text: String
  let parameters: [Parameter]

  /// - Parameters:
  ///   - sql: one statement, without `BEGIN` or `COMMIT`: ``Connection/run(_:patience:)`` sends
  ///     those.
  ///   - parameters: at most 65,535.
  init(_ sql: String, _ parameters: [Parameter] = []) {
    text = sql
    self.parameters = parameters
  }
}
