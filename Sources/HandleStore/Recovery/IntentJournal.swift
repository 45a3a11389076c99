internal import Synchronization
public import SystemPackage

/// The requests that a server has under way and that must not be done twice, in memory that outlives
/// it: a file or memfd that is mapped (`MAP_SHARED`). A server notes an ``Intent`` before it acts, and
/// takes it back after its reply. The next server, given the same file, gets the requests again that
/// were read and not answered (`FUSE_NOTIFY_RESEND`); for each it asks what was noted, and whether that
/// was done.
///
/// ```swift
/// if request.isResent, let intent = journal[request.number], try intent.wasDone(in: directory) {
///   // Answered as if it were done now.
/// } else {
///   try journal.note(.remove(name, of: handle), for: request.number)
///   unlinkat(directory, name, 0)
/// }
/// reply()
/// journal.forget(request.number)
/// ```
///
/// Nothing is flushed: it is for the death of a process, not for a power cut, after which nobody sends
/// a request again. Any thread.
public final class IntentJournal: Sendable {
  fileprivate struct State {
    /// By the request's number.
    var slots: [UInt64: Int] = [:]
    var free: [Int] = []
    /// Numbers that an earlier process noted, and that did not come again yet; the oldest first.
    var left: [UInt64] = []
  }

  /// The largest capacity of a journal: a gibibyte.
  public static let maximumCapacity = 1 << 20

  private let words: SharedWords
  private let state: Mutex<State>

  /// A journal in a file, with what an earlier process has left in it.
  ///
  /// - Parameters:
  ///   - descriptor: a file that can be read and written; a memfd, or a file on a disk. It stays the
  ///     caller's and need not stay open. An empty one is an empty journal.
  ///   - capacity: the most requests under way at a time, 1…``maximumCapacity``; a kibibyte each.
  /// - Throws: `EINVAL` for another capacity, `ENOSPC`, `EDQUOT`, `ENOMEM`, `EACCES`. Then the file is as
  ///   it was.
  /// - Complexity: O(capacity)
  public init(in descriptor: FileDescriptor, capacity: Int = 256) throws(Errno) {
    guard (1...Self.maximumCapacity).contains(capacity) else { throw .invalidArgument }
    words = try SharedWords(of: descriptor, count: capacity * IntentSlot.words)
    var state = State()
    for slot in (0..<capacity).reversed() {
      let number = words[slot * IntentSlot.words]
      if number == 0 {
        state.free.append(slot)
      } else {
        state.slots[number] = slot
        state.left.append(number)
      }
    }
    state.left.sort()
    self.state = Mutex(state)
  }

  /// What was noted for a request and not taken back: by an earlier process, for a request that comes
  /// again.
  ///
  /// - Parameter request: the request's number, not 0; in FUSE its `unique` without bit 63.
  /// - Complexity: O(1)
  public subscript(request: UInt64) -> Intent? {
    let slot = state.withLock { $0.slots[request] }
    return slot.flatMap { IntentSlot.read(words, at: $0 * IntentSlot.words) }
  }

  /// Notes what is about to be done for a request; in place of what was noted for it before.
  ///
  /// - Throws: `EINVAL` for request 0, `ENOBUFS` where as many requests are under way as the journal has room for.
  /// - Complexity: O(1), no system call.
  public func note(_ intent: Intent, for request: UInt64) throws(Errno) {
    guard request != 0 else { throw .invalidArgument }
    let slot = state.withLock { $0.slot(for: request) }
    guard let slot else { throw .noBufferSpace }
    let start = slot * IntentSlot.words
    words[start] = 0
    IntentSlot.write(intent, words, at: start)
    words[start] = request
  }

  /// Takes back what was noted for a request, after its reply; nothing where nothing was.
  ///
  /// - Complexity: O(1)
  public func forget(_ request: UInt64) {
    state.withLock { state in
      guard let slot = state.slots.removeValue(forKey: request) else { return }
      words[slot * IntentSlot.words] = 0
      state.free.append(slot)
    }
  }

  /// How many requests are noted.
  public var count: Int { state.withLock { $0.slots.count } }
}

extension IntentJournal.State {
  /// The slot of a request that is under way from here on.
  fileprivate mutating func slot(for request: UInt64) -> Int? {
    if let i = left.firstIndex(of: request) { left.remove(at: i) }
    guard let slot = slots[request] ?? takeSlot() else { return nil }
    slots[request] = slot
    return slot
  }

  /// A slot that is free; else that of the oldest request that an earlier process has left: it was
  /// answered, or it would have come again before any other.
  fileprivate mutating func takeSlot() -> Int? {
    if let slot = free.popLast() { return slot }
    while !left.isEmpty {
      if let slot = slots.removeValue(forKey: left.removeFirst()) { return slot }
    }
    return nil
  }
}
