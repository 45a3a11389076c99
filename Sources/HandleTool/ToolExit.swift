import ArgumentParser
import Glibc
import HandleStore
import SystemPackage

/// The exit codes. Docs/CLI.md lists them too.
enum ExitStatus: Int32 {
  case fine = 0
  case finding = 1
  case usage = 2
  case store = 3
  case system = 4
}

/// The exit code of the command, and the message that it prints at the end.
struct ToolExit {
  static let table = """
    Exit codes: 0 success; 1 the command found something: a stale or unknown node, damage, a file \
    or a token that was refused; 2 wrong usage; 3 the store cannot be used: there is none, it is \
    in use or damaged, or it has another version; 4 the system refused: not permitted, disk full, \
    no descriptors left, no file handles on the filesystem.
    """

  private let status: ExitStatus
  private let message: String

  init(_ error: any Error) {
    switch error {
    case let finding as FindingExit:
      (status, message) = (.finding, finding.message.map(Self.line) ?? "")
    case StoreError.refused(let refusal):
      (status, message) = (.finding, Self.line("refused (\(refusal.name)): \(refusal)"))
    case let error as StoreError: (status, message) = (error.status, Self.line(error.description))
    case Errno.brokenPipe: (status, message) = (.fine, "")
    case let errno as Errno:
      (status, message) = (.system, Self.line("writing the output: \(errno)"))
    case let failure as SystemFailure:
      (status, message) = (.system, Self.line(failure.description))
    default: (status, message) = Self.parsing(error)
    }
  }

  /// Returns the exit for a request for help or for a usage error.
  private static func parsing(_ error: any Error) -> (ExitStatus, String) {
    let text = HandleStoreCommand.fullMessage(for: error)
    guard !HandleStoreCommand.exitCode(for: error).isSuccess else { return (.fine, text) }
    let said = text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text
    return (.usage, line(said))
  }

  private static func line(_ message: String) -> String { "handlestore: \(message)" }

  func leave() -> Never {
    let stream = status == .fine ? FileDescriptor.standardOutput : .standardError
    if !message.isEmpty { _ = try? stream.writeAll(Array((message + "\n").utf8)) }
    exit(status.rawValue)
  }
}

/// Thrown when a command did its work and found something wrong.
struct FindingExit: Error {
  /// The message for standard error; `nil` if the output has said it already.
  var message: String?
}

/// A failed system call on a file that is not the store's.
struct SystemFailure: Error, CustomStringConvertible {
  let what: String
  let errno: Errno

  var description: String { "\(what): \(errno)\(remedy)" }

  private var remedy: String {
    switch errno {
    case .noSuchFileOrDirectory: "; name a directory that exists"
    case .notDirectory: "; name a directory"
    case .permissionDenied, .notPermitted: "; run as root"
    case .tooManyOpenFiles, .tooManyOpenFilesInSystem: "; raise the limit (ulimit -n)"
    default: ""
    }
  }
}

extension StoreError {
  /// Whether the error says that something is missing, which may be due to a damaged page.
  var mayBeOfDamage: Bool {
    switch self {
    case .unknownNode, .unknownFilesystem, .refused(.unknownNode), .badExport: true
    default: false
    }
  }

  /// The exit code for the error.
  var status: ExitStatus {
    switch self {
    case .stale, .staleHandle, .unknownNode, .notOpenable, .notOpenableHandle, .refused,
      .readOnlyExport:
      .finding
    case .inUse, .alreadyOpen, .readOnly, .closed, .forked, .noStore, .notAStore,
      .unsupportedVersion, .damaged, .torn, .tornCopy, .sharedData, .tooManyCallers, .noExport,
      .exposedKeys, .noKeys, .unusableKeys, .noKey, .damagedFile, .foreignFile, .unexpected:
      .store
    case .badExport, .badName, .badValue, .tokenTooLong: .usage
    case .unknownFilesystem, .notAttached, .wrongFilesystem, .ambiguousFilesystem,
      .tooManyFilesystems, .noHandles,
      .diskFull, .tooManyOpenFiles, .notPermitted, .unavailable, .mountPoint, .system, .database:
      .system
    }
  }
}
