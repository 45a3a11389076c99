internal import CHandleFS
internal import HandleStore
internal import SystemPackage

/// Reports what happens on a filesystem, whichever process does it (`fanotify(7)`).
@safe final class BackingEvents {
  private let watch: BackingFile
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// Watches the whole filesystem that a file is on.
  ///
  /// - Throws: `EPERM` without `CAP_SYS_ADMIN`, `EXDEV` on a btrfs subvolume if the kernel cannot
  ///   watch one.
  init(on file: BackingFile) throws(Errno) {
    watch = BackingFile(try checked(hf_watch(file.number)))
  }

  /// Waits for the next events and returns them.
  func next() throws(Errno) -> [FilesystemEvent] {
    let filled = try checked(unsafe hf_read_events(watch.number, &buffer, buffer.count))
    return FilesystemEvent.all(in: Array(buffer.prefix(filled)))
  }
}
