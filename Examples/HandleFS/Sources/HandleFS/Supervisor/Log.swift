internal import Logging

/// Where messages go.
enum Log {
  static func start(inBackground: Bool) -> Logger {
    LoggingSystem.bootstrap { label in
      StreamLogHandler.standardError(label: label)
    }
    return Logger(label: "handlefs")
  }
}
