internal import CHandleFS
internal import Glibc
internal import SystemPackage

/// What a process waits for, and where and how long it runs.
extension Processes {
  static func memoryFile(_ name: String) throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(unsafe hf_memory_file(name)))
  }

  /// How many processors the machine has.
  static var processorCount: Int { sysconf(CInt(_SC_NPROCESSORS_CONF)) }

  /// Has this process run only on some processors; call it while it has one thread.
  static func use(_ processors: ProcessorList) throws {
    do throws(Errno) {
      try checked(unsafe hf_use_processors(processors.numbers, processors.numbers.count))
    } catch {
      throw CommandError(
        "using the processors \(processors.defaultValueDescription): \(error); name some that this "
          + "process may use (taskset -p $$ shows them)")
    }
  }

  static func signals() throws(Errno) -> FileDescriptor {
    FileDescriptor(rawValue: try checked(hf_signals()))
  }

  static func nextSignal(_ signals: FileDescriptor) throws(Errno) -> Int32 {
    try checked(hf_next_signal(signals.rawValue))
  }

  /// Waits until a descriptor is readable or closed, for at most `milliseconds` (for ever if
  /// negative). A `nil` descriptor is skipped.
  ///
  /// - Returns: for each descriptor, whether it is ready.
  static func wait(for descriptors: [FileDescriptor?], milliseconds: Int = -1) -> [Bool] {
    var list = descriptors.map {
      pollfd(fd: $0?.rawValue ?? -1, events: Int16(POLLIN), revents: 0)
    }
    unsafe poll(&list, nfds_t(list.count), CInt(clamping: milliseconds))
    return list.map { $0.revents != 0 }
  }

  /// Whether the connection of a mount to the kernel (`/dev/fuse`) has ended.
  static func isEnded(_ fuse: FileDescriptor) -> Bool {
    var state = pollfd(fd: fuse.rawValue, events: 0, revents: 0)
    return unsafe poll(&state, 1, 0) > 0 && state.revents & Int16(POLLERR) != 0
  }

  /// The time by `CLOCK_MONOTONIC`, in milliseconds.
  static var now: Int { nowMicroseconds / 1000 }

  /// The time by `CLOCK_MONOTONIC`, in microseconds.
  static var nowMicroseconds: Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
  }

  static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1000) }
}
