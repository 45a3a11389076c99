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

  // Between a guest and its host; see ``Guest``.

  /// Serve my mount; comes with the descriptors of the session and the options.
  case join
  /// Park files here from now on; comes with a socket.
  case parkHere
  /// The mount cannot be served; the exit code and the reason follow.
  case refused

  // From the supervisor, since 0.2.

  /// Take the place of the last server; for one that was started ahead of time (``Standby``).
  case begin
}
