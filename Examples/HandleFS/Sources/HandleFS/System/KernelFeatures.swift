internal import CHandleFS

/// What newer kernels can do.
struct KernelFeatures: OptionSet {
  let rawValue: UInt32

  /// The kernel reads and writes open files by itself (Linux 6.9).
  static let passthrough = KernelFeatures(rawValue: HF_PASSTHROUGH)
  /// Mounts of the filesystem may map users and groups (Linux 6.12).
  static let idmap = KernelFeatures(rawValue: HF_ALLOW_IDMAP)
  /// The kernel gives up the filesystem if a request takes too long (Linux 6.15).
  static let requestTimeout = KernelFeatures(rawValue: HF_REQUEST_TIMEOUT)
  /// Requests come over io_uring (Linux 6.14).
  static let rings = KernelFeatures(rawValue: HF_OVER_IO_URING)
}

/// What a new mount asks of the kernel.
struct KernelWishes {
  var features: KernelFeatures
  /// The most requests that nobody waits for, such as reading ahead, at a time.
  var maxBackground: UInt16
  /// How many of them make the kernel hold back more.
  var congestion: UInt16
  /// How many bytes a request may carry at most.
  var maxWrite: UInt32 = 1 << 20
  /// In seconds, for ``KernelFeatures/requestTimeout``.
  var requestTimeout: UInt16
}
