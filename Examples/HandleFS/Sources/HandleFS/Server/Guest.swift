internal import ArgumentParser
internal import HandleStore
internal import Logging
internal import Synchronization
internal import SystemPackage

/// A server whose store is open in another process, the host. The guest gives the host its connection to
/// the kernel and all else that a server inherits, and passes the host's messages on to its own supervisor.
/// If the host ends, the guest connects with the next one, or becomes the host.
final class Guest: Sendable {
  /// How long a new mount waits for the host, in milliseconds.
  private static let patience = 30_000
  /// How long to wait between two tries, in milliseconds.
  private static let pause: UInt32 = 3

  private let options: MountOptions
  private let supervision: Supervision
  private let sharing: StoreSharing
  private let inBackground: Bool
  private let log: Logger
  /// Whether the mount has been served, by this process or an earlier one. If not, its command waits.
  private let isServed: Atomic<Bool>

  init(_ options: MountOptions, _ supervision: Supervision, inBackground: Bool, log: Logger) throws
  {
    (self.options, self.supervision) = (options, supervision)
    (self.inBackground, self.log) = (inBackground, log)
    sharing = try StoreSharing(supervision.session)
    isServed = Atomic(MountHistory(in: supervision.session.history).mounted != 0)
  }

  /// Is a guest as long as another process is the host.
  ///
  /// - Returns: whether this process has become the host; `false` if the filesystem is unmounted.
  func waitUntilHost() throws -> Bool {
    let end = Processes.now + Self.patience
    while true {
      // Without this, a mount that ended while there was no host would need the store once more.
      if supervision.isConnectionEnded {
        supervision.tellUnmounted()
        return false
      }
      if try sharing.becomeHost() { return true }
      guard isServed.load(ordering: .relaxed) || Processes.now < end else {
        throw CommandError(
          "\(options.store) is in use by another mount, which does not answer; see its log", .store)
      }
      if let host = sharing.connect(), try visit(host) { return false }
      Processes.sleep(milliseconds: Self.pause)
    }
  }

  /// Is a guest of one host until that ends. Returns whether the filesystem has been unmounted.
  private func visit(_ host: FileDescriptor) throws -> Bool {
    defer {
      supervision.leaveHost()
      try? host.close()
    }
    guard (try? supervision.join(host)) != nil else { return false }
    while let message = Processes.receive(from: host) {
      switch message {
      case .prepared: supervision.passPrepared()
      case .serving:
        isServed.store(true, ordering: .relaxed)
        if inBackground { Processes.silence() }
        supervision.tell(.serving)
      case .unmounted:
        supervision.tellUnmounted()
        return true
      case .refused: try beRefused(by: host)
      default: break
      }
    }
    return false
  }

  private func beRefused(by host: FileDescriptor) throws {
    let answer = String(decoding: (try? host.readOnce(1 << 16)) ?? [], as: UTF8.self)
      .split(separator: " ", maxSplits: 1)
    guard answer.count == 2, let status = Int32(answer[0]) else { return }
    guard !isServed.load(ordering: .relaxed) else {
      log.error("the host of the store refuses to serve", metadata: ["reason": "\(answer[1])"])
      return Processes.sleep(milliseconds: 1000)
    }
    throw CommandError(String(answer[1]), ExitStatus(rawValue: status) ?? .system)
  }
}
