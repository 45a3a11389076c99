internal import ArgumentParser

/// The options that are for the kernel, which it hears once, when the filesystem is mounted.
extension MountOptions {
  var wishes: KernelWishes {
    var features: KernelFeatures = passthrough == .off ? [] : .passthrough
    if allowIdmap { features.insert(.idmap) }
    if requestTimeout > 0 { features.insert(.requestTimeout) }
    if transport != .dev && requestTimeout == 0 { features.insert(.rings) }
    return KernelWishes(
      features: features, maxBackground: UInt16(maxBackground),
      congestion: UInt16(congestionThreshold), requestTimeout: UInt16(requestTimeout))
  }

  /// How many requests in the background make the kernel hold back more.
  var congestionThreshold: Int { congestion ?? max(1, maxBackground * 3 / 4) }

  /// Throws if the kernel lacks a feature that the user asked for.
  func requireNeeded(_ features: KernelFeatures) throws {
    func require(_ feature: KernelFeatures, _ isNeeded: Bool, _ problem: String) throws {
      guard isNeeded, !features.contains(feature) else { return }
      throw CommandError("this kernel has no \(problem)")
    }
    try require(
      .passthrough, passthrough == .on,
      "FUSE_PASSTHROUGH (it needs Linux 6.9); use --passthrough auto")
    try require(
      .idmap, allowIdmap, "FUSE_ALLOW_IDMAP (it needs Linux 6.12); leave out --allow-idmap")
    try require(
      .requestTimeout, requestTimeout > 0,
      "FUSE_REQUEST_TIMEOUT (it needs Linux 6.15); leave out --request-timeout")
    try require(
      .rings, transport == .uring,
      "FUSE_OVER_IO_URING (it needs Linux 6.14 and Y in /sys/module/fuse/parameters/enable_uring); use "
        + "--transport auto")
  }

  func requireKernelRanges() throws {
    guard (1...65535).contains(maxBackground) else {
      throw ValidationError("--max-background takes 1 to 65535 requests")
    }
    guard (1...maxBackground).contains(congestionThreshold) else {
      throw ValidationError(
        "--congestion takes 1 to \(maxBackground) requests, no more than --max-background")
    }
    guard transport != .uring || requestTimeout == 0 else {
      // Linux up to 6.18 would look at requests of a killed server that are not there.
      throw ValidationError("--transport uring does not go together with --request-timeout")
    }
    guard (0...65535).contains(requestTimeout) else {
      throw ValidationError("--request-timeout takes 0 to 65535 seconds")
    }
  }

  var kernelArguments: [String] {
    ["--max-background", "\(maxBackground)", "--request-timeout", "\(requestTimeout)"]
      + (congestion.map { ["--congestion", "\($0)"] } ?? []) + (allowIdmap ? ["--allow-idmap"] : [])
  }
}
