internal import ArgumentParser
internal import Formatting
internal import Glibc
internal import Logging
internal import Synchronization
internal import SystemPackage

enum LogFormat: String, CaseIterable, ExpressibleByArgument {
  case text
  /// One object per line.
  case json
}

/// Sends log messages to standard error, or in the background to syslog.
enum Log {
  /// What a process does for a mount.
  enum Role: String {
    case supervisor
    case server
    case mender
  }

  /// Begins the log of this process.
  static func start(
    _ role: Role, of mountpoint: String, as format: LogFormat, inBackground: Bool
  ) -> Logger {
    background.store(inBackground, ordering: .relaxed)
    LoggingSystem.bootstrap { handler($0, role, of: mountpoint, as: format) }
    let log = Logger(label: "handlefs")
    if format == .json {
      StandardError.omitBacktraces()
      try? StandardError.pass { log.error("\($0)") }
    }
    return log
  }

  /// Whether the process has no terminal.
  private static let background = Atomic(false)

  /// The log of another mount that this process serves. It goes where this process's log goes, so each
  /// line says which mount it is about; in JSON it does that anyway.
  static func ofGuest(_ mount: MountOptions) -> Logger {
    var log = Logger(label: "handlefs") {
      handler($0, .server, of: mount.mountpoint, as: mount.logFormat)
    }
    if mount.logFormat == .text { log[metadataKey: "mount point"] = "\(mount.mountpoint)" }
    return log
  }

  private static func handler(
    _ label: String, _ role: Role, of mountpoint: String, as format: LogFormat
  ) -> any LogHandler {
    let inBackground = background.load(ordering: .relaxed)
    if format == .json {
      return JSONLogHandler(line: LogLine(role, of: mountpoint), inBackground: inBackground)
    }
    return inBackground ? SystemLogHandler() : StreamLogHandler.standardError(label: label)
  }

  static func start(_ role: Role, of mount: MountOptions, inBackground: Bool) -> Logger {
    start(role, of: mount.mountpoint, as: mount.logFormat, inBackground: inBackground)
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

/// A log handler that writes JSON.
private struct JSONLogHandler: LogHandler {
  let line: LogLine
  let inBackground: Bool
  var logLevel = Logger.Level.info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = self.metadata.merging(event.metadata ?? [:]) { $1 }
    guard inBackground else { return line.write(event.level, "\(event.message)", fields) }
    let text = line.text(event.level, "\(event.message)", fields)
    Processes.log(priority: event.level.priority, text)
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
