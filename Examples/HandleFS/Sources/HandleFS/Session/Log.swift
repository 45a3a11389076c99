internal import Logging

/// Sends log messages to standard error, or in the background to syslog.
enum Log {
  static func start(inBackground: Bool) -> Logger {
    LoggingSystem.bootstrap { label -> any LogHandler in
      if inBackground { return SystemLogHandler() }
      return StreamLogHandler.standardError(label: label)
    }
    return Logger(label: "handlefs")
  }
}

/// A log handler that writes to `syslog(3)`.
private struct SystemLogHandler: LogHandler {
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = self.metadata.merging(event.metadata ?? [:]) { $1 }
    let text = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    Processes.log(priority: event.level.priority, "\(event.message)\(text)")
  }
}

extension Logger.Level {
  /// The level's syslog priority (`LOG_…`).
  fileprivate var priority: Int32 {
    switch self {
    case .critical: 2
    case .error: 3
    case .warning: 4
    case .notice: 5
    case .info: 6
    case .debug, .trace: 7
    }
  }
}
