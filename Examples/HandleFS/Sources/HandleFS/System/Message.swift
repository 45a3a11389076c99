/// A message between supervisor and server, one byte long.
enum Message: UInt8 {
  // From the server.

  /// The store is open.
  case prepared = 1
  /// Requests are served.
  case serving
  /// The filesystem has been unmounted.
  case unmounted
  /// The server runs; the answer to ``isRunning``.
  case runs

  // From the supervisor.

  /// The filesystem is mounted without FUSE_PASSTHROUGH.
  case mounted
  /// The filesystem is mounted with FUSE_PASSTHROUGH.
  case mountedWithPassthrough
  /// End, so that another server can take over.
  case stop
  /// Report that you run.
  case isRunning
}
