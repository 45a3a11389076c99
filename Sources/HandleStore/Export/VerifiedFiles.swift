internal import Synchronization
internal import SystemPackage

/// The files that were found inside an export and had no name taken or changed since.
final class VerifiedFiles: Sendable {
  /// One generation of an inode of a filesystem that has events.
  private struct File: Hashable {
    let inode: UInt64
    let subvolume: UInt64
    let generation: UInt32

    init?(_ handle: KernelFileHandle, _ magic: FilesystemMagic) {
      guard let identity = handle.identity(on: magic), identity.inode.count <= 2 else {
        return nil
      }
      (inode, subvolume) = (identity.inode.words[0], identity.inode.words[1])
      generation = identity.generation
    }
  }

  private struct State {
    var watch: RenameWatch
    var known: Set<File> = []
    /// How many events there were.
    var changes: UInt64 = 0
    /// Whether there may be more of them.
    var isBehind = false
  }

  private static let capacity = 1 << 16
  private static let mostEvents = 256
  private let magic: FilesystemMagic
  private let state: Mutex<State>

  init(_ watch: RenameWatch, on magic: FilesystemMagic) {
    self.magic = magic
    state = Mutex(State(watch: watch))
  }

  /// Whether a file is inside at this moment, as far as is known; and a ticket to ``insert(_:_:)``.
  func contains(_ handle: KernelFileHandle) -> (Bool, ticket: UInt64) {
    let file = File(handle, magic)
    return state.withLock { state in
      catchUp(&state)
      return (file.map { state.known.contains($0) } ?? false, state.changes)
    }
  }

  /// Remembers a file that was found inside since the ticket was given, unless something was renamed
  /// meanwhile.
  func insert(_ handle: KernelFileHandle, _ ticket: UInt64) {
    guard let file = File(handle, magic) else { return }
    state.withLock { state in
      catchUp(&state)
      guard state.changes == ticket, !state.isBehind else { return }
      if state.known.count >= Self.capacity { state.known.removeAll(keepingCapacity: true) }
      state.known.insert(file)
    }
  }

  /// Takes in what happened since.
  private func catchUp(_ state: inout State) {
    do throws(Errno) {
      state.isBehind = false
      var taken = 0
      while let event = try state.watch.next() {
        state.changes += 1
        taken += 1
        // Nobody is to wait for a long queue: nothing is known until it is at its end.
        if taken == Self.mostEvents {
          state.isBehind = true
          return state.known.removeAll(keepingCapacity: true)
        }
        if case .file(let handle) = event, let file = File(handle, magic) {
          state.known.remove(file)
        } else {
          state.known.removeAll(keepingCapacity: true)
        }
      }
    } catch {
      // Nothing is known without events.
      state.changes += 1
      state.known.removeAll(keepingCapacity: true)
    }
  }
}
