internal import HandleStore
internal import Logging
internal import SystemPackage

/// The filesystem that a supervisor has mounted.
struct SupervisedMount {
  private let options: MountOptions
  /// The filesystem's device number, `major:minor`.
  let device: String
  /// The number of the mount at the mount point. No other mount of this boot has it, while another
  /// filesystem may get this one's device number as soon as it is unmounted.
  private let number: Int?
  /// Whether the kernel reads and writes open files by itself.
  let passthrough: Bool

  /// Mounts it, and answers the kernel's first request.
  init(_ options: MountOptions, _ session: SessionDescriptors) throws {
    do throws(Errno) {
      try Processes.mount(
        options.source, named: options.fsname ?? options.source, on: options.mountpoint,
        fuse: session.fuse, flags: options.flags)
    } catch {
      throw CommandError(
        "mounting on \(options.mountpoint): \(error); name a directory, and run as root")
    }
    do {
      let features = try Self.answerStart(options, session)
      passthrough = features.contains(.passthrough)
      device = try session.device
    } catch {
      try? Processes.unmount(options.mountpoint, detach: true)
      throw error
    }
    number = Self.number(of: options.mountpoint, device)
    self.options = options
  }

  /// Takes over the filesystem of a supervisor that was killed.
  init(_ options: MountOptions, adoptedIn session: SessionDescriptors, passthrough: Bool) throws {
    self.options = options
    self.passthrough = passthrough
    device = try session.device
    number = Self.number(of: options.mountpoint, device)
  }

  /// Returns what the kernel and this server have agreed on.
  private static func answerStart(
    _ options: MountOptions, _ session: SessionDescriptors
  ) throws -> KernelFeatures {
    _ = Processes.wait(for: [session.fuse])
    let request = try session.fuse.readOnce(1 << 16)
    let features = try Processes.answerStart(
      request, on: session.fuse, plannedWishes(options, session))
    try options.requireNeeded(features)
    // A server that finds no plan there reads all requests from /dev/fuse.
    if !features.contains(.rings) { try Processes.empty(session.rings) }
    let device = try MountTable.handleFS(on: options.mountpoint)?.device ?? ""
    try session.writeStart(device: device, request: request)
    return features
  }

  /// What is asked of the kernel, without io_uring if this machine cannot have it.
  private static func plannedWishes(
    _ options: MountOptions, _ session: SessionDescriptors
  ) throws -> KernelWishes {
    var wishes = options.wishes
    guard wishes.features.contains(.rings) else { return wishes }
    switch Processes.planRings(in: session.rings, threads: options.threads) {
    case .success(let most): wishes.maxWrite = most
    case .failure(let error) where options.transport == .uring: throw error
    case .failure: wishes.features.remove(.rings)
    }
    return wishes
  }

  /// Returns the number of the mount at a mount point, if it is of a device. The server is not asked.
  private static func number(of point: String, _ device: String) -> Int? {
    guard let place = try? BackingFile(opening: FilePath(point)), (try? place.device) == device
    else {
      return nil
    }
    return try? BackingFile.mount(of: place.descriptor)
  }

  // MARK: The end

  /// Unmounts in a thread of its own: the kernel writes back dirty pages first, and that needs a
  /// server. If the server dies meanwhile, this process must be free to start the next one.
  ///
  /// - Returns: whether it is being unmounted; if not, the reason is logged.
  func unmount(_ log: Logger) throws -> Bool {
    let mounts = try MountTable.mounts()
    // The mount may have been moved.
    let places = mounts.filter { $0.device == device }.map(\.point.string)
    guard let place = places.first(where: { $0 == options.mountpoint }) ?? places.first else {
      log.notice("detached from the mount point before; served until its last user is gone")
      return false
    }
    guard mounts.last(where: { $0.point.string == place })?.device == device else {
      log.error("not unmounted: another filesystem is mounted on top of it; unmount that one first")
      return false
    }
    Thread.start { Self.unmount(place, log) }
    return true
  }

  private static func unmount(_ place: String, _ log: Logger) {
    do throws(Errno) {
      do throws(Errno) {
        try Processes.unmount(place, detach: false)
      } catch {
        guard error == .resourceBusy else { throw error }
        log.notice("in use: detached from the mount point; served until its last user is gone")
        try Processes.unmount(place, detach: true)
      }
    } catch {
      log.error("not unmounted", metadata: ["error": "\(error)"])
    }
  }

  /// Throws if the filesystem is still mounted: then nobody has unmounted it, but the kernel has ended
  /// the connection.
  func requireUnmounted() throws {
    guard try MountTable.handleFS(on: options.mountpoint)?.device == device else { return }
    if let number, Self.number(of: options.mountpoint, device) != number { return }
    try? Processes.unmount(options.mountpoint, detach: true)
    throw CommandError(
      "the kernel has ended the connection of \(options.mountpoint), because a request took longer "
        + "than --request-timeout allows or because of an abort in /sys/fs/fuse/connections; it is "
        + "unmounted now; mount it again")
  }
}
