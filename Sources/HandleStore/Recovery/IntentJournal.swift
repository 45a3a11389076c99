internal import HandleLocks
public import SystemPackage

/// The requests in progress that a server must not carry out twice, in memory that outlives the
/// server: a mapped file or memfd (`MAP_SHARED`). The server notes an ``Intent`` before it acts,
/// and forgets it after it replied. If it is killed, the next server opens the same file, and the
/// kernel sends it again the requests that were read but not answered (`FUSE_NOTIFY_RESEND`). For
/// each of them the server looks up what was noted, and checks whether it was done.
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
/// The journal is not flushed to disk. It protects against the death of a process, not against a
/// power cut: after that, no request is sent again. Any thread.
public final class IntentJournal: Sendable {
  fileprivate struct State {
    /// Slots by request number.
    var slots: [UInt64: Int] = [:]
    var free: [Int] = []
    /// The numbers that an earlier process noted and that have not come again yet, the lowest
    /// first.
    var left: [UInt64] = []
  }

  /// The largest capacity of a journal; its file then takes a gibibyte.
  static let maximumCapacity = 1 << 20

  private let words: SharedWords
  private let capacity: Int
  private let state: Locked<State>

  /// Opens the journal in a file, with the requests that an earlier process left in it.
  ///
  /// - Parameters:
  ///   - descriptor: a file open for reading and writing; a memfd, or a file on a disk. It stays
  ///     the caller's, and may be closed afterwards. An empty file is an empty journal.
  ///   - capacity: the most requests in progress at a time, 1…1,048,576; each takes a kibibyte.
  /// - Throws: ``StoreError/badValue(_:)`` if the capacity is out of range;
  ///   ``StoreError/system(_:_:)`` with `ENOSPC`, `EDQUOT`, `ENOMEM`, `EACCES`. On an error the file
  ///   is as it was.
  /// - Complexity: O(capacity)
  public init(in descriptor: FileDescriptor, capacity: Int = 256) throws(StoreError) {
    guard (1...Self.maximumCapacity).contains(capacity) else {
      throw .badValue(
        "a journal has room for 1 to \(Self.maximumCapacity) requests, not for \(capacity)")
    }
    do throws(Errno) {
      words = try SharedWords(of: descriptor, count: capacity * IntentSlot.words)
    } catch {
      throw StoreError(error, "using the file of a journal for \(capacity) requests")
    }
    self.capacity = capacity
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
    self.state = Locked(state)
  }

  /// The intent that is noted for a request, or `nil` if there is none. For a request that comes
  /// again, it is the one that an earlier process noted.
  ///
  /// - Parameter request: the request's number, not 0; in FUSE its `unique` without bit 63.
  /// - Complexity: O(1)
  public subscript(request: UInt64) -> Intent? {
    let slot = state.withLock { $0.slots[request] }
    return slot.flatMap { IntentSlot.read(words, at: $0 * IntentSlot.words) }
  }

  /// Notes what the server is about to do for a request. This replaces what was noted for it
  /// before.
  ///
  /// - Throws: ``StoreError/badValue(_:)`` for request 0; ``StoreError/system(_:_:)`` with `ENOBUFS`
  ///   if as many requests are in progress as the journal has room for.
  /// - Complexity: O(1), no system call.
  public func note(_ intent: Intent, for request: UInt64) throws(StoreError) {
    guard request != 0 else {
      throw .badValue("a journal has no request 0; number the requests from 1")
    }
    let slot = state.withLock { $0.slot(for: request) }
    guard let slot else {
      throw .system(
        .noBufferSpace,
        "noting a request in a journal that has room for \(capacity), all of them in progress")
    }
    let start = slot * IntentSlot.words
    words[start] = 0
    IntentSlot.write(intent, words, at: start)
    words[start] = request
  }

  /// Forgets a request after its reply. Does nothing if nothing is noted for it.
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
  /// Returns the slot for a request, which is in progress from here on; `nil` if there is no room.
  fileprivate mutating func slot(for request: UInt64) -> Int? {
    if let i = left.firstIndex(of: request) { left.remove(at: i) }
    guard let slot = slots[request] ?? takeSlot() else { return nil }
    slots[request] = slot
    return slot
  }

  /// Returns a free slot. If there is none, takes the slot of the oldest request that an earlier
  /// process left: that request was answered, or it would have come again before any other.
  fileprivate mutating func takeSlot() -> Int? {
    if let slot = free.popLast() { return slot }
    while !left.isEmpty {
      if let slot = slots.removeValue(forKey: left.removeFirst()) { return slot }
    }
    return nil
  }
}
