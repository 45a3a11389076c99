internal import ArgumentParser
internal import Glibc
internal import HandleStore
internal import SystemPackage

/// The exit code of the program, and the message that it prints at the end.
struct CommandExit {
  static let table = """
    Exit codes: 0 success; 1 the command found something: nothing or something else is mounted \
    there, its processes are gone, or the new server did not serve; 2 wrong usage; 3 the store \
    cannot be used: it is in use or damaged, or it has another version; 4 the system refused: not \
    permitted, no such directory, disk full, no file handles on the filesystem.
    """

  var status: Int32
  var message: String

  init(_ error: any Error, of command: any ParsableCommand.Type = HandleFS.self) {
    switch error {
    case let code as ExitCode: (status, message) = (code.rawValue, "")
    case let error as CommandError: (status, message) = (error.status.rawValue, error.description)
    case let error as StoreError:
      (status, message) = (error.exitStatus.rawValue, error.description)
    case let errno as Errno: (status, message) = (ExitStatus.system.rawValue, "\(errno)")
    default: (status, message) = Self.parsing(error, of: command)
    }
  }

  /// Returns the exit for a request for help or for a usage error.
  private static func parsing(
    _ error: any Error, of command: any ParsableCommand.Type
  ) -> (Int32, String) {
    let text = command.fullMessage(for: error)
    guard !command.exitCode(for: error).isSuccess else { return (ExitStatus.fine.rawValue, text) }
    let said = text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text
    return (ExitStatus.usage.rawValue, said)
  }

  /// - Parameter program: the name that begins an error message.
  func leave(_ program: String = "handlefs") -> Never {
    let isError = status != ExitStatus.fine.rawValue
    let stream = isError ? FileDescriptor.standardError : .standardOutput
    let text = isError ? "\(program): \(message)\n" : "\(message)\n"
    if !message.isEmpty { try? stream.writeOnce(Array(text.utf8)) }
    exit(status)
  }
}

extension StoreError {
  /// The exit code for the error, the same as that of `handlestore`.
  fileprivate var exitStatus: ExitStatus {
    switch self {
    case .inUse, .alreadyOpen, .readOnly, .closed, .forked, .noStore, .notAStore,
      .unsupportedVersion, .damaged, .torn, .tornCopy, .sharedData, .tooManyCallers, .noExport,
      .exposedKeys, .noKeys, .unusableKeys, .noKey, .damagedFile, .foreignFile, .unexpected:
      .store
    case .badExport, .badName, .badValue: .usage
    default: .system
    }
  }
}
