internal import HandleLocks
public import SystemPackage

/// The files that the clients of a FUSE server have open, in memory that outlives the server.
///
/// If the kernel can, it keeps them open itself (FUSE_PASSTHROUGH, Linux 6.9). It then reads and
/// writes them without the server, also while no server runs, and the files can be opened by their
/// handles after they have lost their last name.
///
/// Each open has a number of its own, and the request that closes it names that number. So a
/// request that comes twice, because a server was killed before its reply, counts once. Any thread.
public final class OpenFiles: Sendable {
  /// An open file: how many times it is open, and the number under which the kernel keeps it (0 if
  /// it does not).
  private struct File {
    var opens = 0
    var backing: UInt32
  }

  private struct State {
    var chunks: [SharedWords] = []
    var free: [Int] = []
    /// Slots by the number of the open.
    var slots: [UInt64: Int] = [:]
    var files: [NodeID: File] = [:]
  }

  /// A slot has four words: the number of the open, which is 0 in a free slot and stored last; the
  /// node; the kernel's number; and 1 while the kernel is told to close the file, otherwise 0.
  ///
  /// If the server is killed then, the kernel may have closed the file or not. The next server must
  /// not answer another open with that number, so it ends the close before anything else.
  private static let slotWords = 4
  private static let chunkSlots = 2048
  private static let chunkBytes = chunkSlots * slotWords * 8

  private let descriptor: OwnedDescriptor
  private let fuse: FileDescriptor
  private let state = Locked(State())

  /// Takes over the opens in a file, and records further opens there.
  ///
  /// - Parameters:
  ///   - descriptor: a file open for reading and writing, such as a memfd; it stays the caller's.
  ///     If it is empty, no file is open.
  ///   - fuse: the connection to the kernel, an open `/dev/fuse`. The caller closes it, later. Nothing
  ///     else gives the kernel files of this connection to keep: what is not on record is closed.
  /// - Throws: ``StoreError/tooManyOpenFiles``, ``StoreError/system(_:_:)`` with `ENOSPC`, `ENOMEM`,
  ///   `EBADF`.
  /// - Complexity: O(open files)
  public init(in descriptor: FileDescriptor, fuse: FileDescriptor) throws(StoreError) {
    self.fuse = fuse
    do throws(Errno) {
      self.descriptor = OwnedDescriptor(try SystemCalls.duplicate(descriptor))
      for _ in 0..<SystemCalls.size(of: descriptor) / Self.chunkBytes { try addChunk() }
    } catch {
      throw StoreError(error, "taking over the opens in a file")
    }
    closeUnrecorded()
  }

  /// Has the kernel close a file that a killed server gave it and could not record any more.
  ///
  /// The kernel gives its numbers in their order, and a server asks for one at a time. So that file
  /// has the number before the next; a lower one if servers were killed here, too.
  private func closeUnrecorded() {
    let next = openBacking(of: descriptor.descriptor)
    guard next != 0 else { return }
    let recorded = state.withLock { Set($0.files.values.map(\.backing)) }
    for number in next - min(next - 1, 8)...next where !recorded.contains(number) {
      SystemCalls.closeBacking(number, on: fuse)
    }
  }

  /// Records an open.
  ///
  /// - Parameters:
  ///   - number: the number of the open, not 0; in FUSE the `unique` of the request, without bit
  ///     63.
  ///   - node: the file's node.
  ///   - file: the file for the kernel to keep, open in any way (`O_PATH` too); `nil` if the kernel
  ///     is not to keep it. It stays the caller's. Only the first open of a file uses it: all opens
  ///     of a file have to go the same way.
  /// - Returns: the number under which the kernel keeps the file, or 0 if it does not.
  /// - Throws: ``StoreError/badValue(_:)`` for number 0; ``StoreError/system(_:_:)`` with `ENOSPC`,
  ///   `ENOMEM`. It is no error if the kernel cannot keep the file.
  /// - Complexity: O(1); for the first open of a file, a system call.
  public func open(
    _ number: UInt64, of node: NodeID, file: FileDescriptor?
  ) throws(StoreError) -> UInt32 {
    guard number != 0 else { throw .badValue("an open has no number 0; number them from 1") }
    do throws(Errno) {
      return try record(number, of: node, file: file)
    } catch {
      throw StoreError(error, "recording an open of node \(node)")
    }
  }

  private func record(
    _ number: UInt64, of node: NodeID, file: FileDescriptor?
  ) throws(Errno) -> UInt32 {
    try state.withLock { (state) throws(Errno) in
      if let slot = state.slots[number] {
        let (words, start) = place(slot, &state)
        if words[start + 1] == node.rawValue { return backing(slot, &state) }
        // A file without a name: it was gone when the request came again, so a new one was made.
        close(slot, &state)
      }
      while state.free.isEmpty { try addChunk(&state) }
      let slot = state.free.removeLast()
      let backing = state.files[node]?.backing ?? openBacking(of: file)
      let (words, start) = place(slot, &state)
      words[start + 1] = node.rawValue
      words[start + 2] = UInt64(backing)
      words[start + 3] = 0
      words[start] = number
      take(slot, &state)
      return backing
    }
  }

  /// The node of an open, or `nil` if there is no such open. For a request that comes again, this
  /// is the file that it opened the first time.
  ///
  /// - Parameter number: the number of the open.
  /// - Complexity: O(1)
  public subscript(number: UInt64) -> NodeID? {
    state.withLock { state in
      guard let slot = state.slots[number] else { return nil }
      let (words, start) = place(slot, &state)
      return NodeID(rawValue: words[start + 1])
    }
  }

  /// Records that an open is over. Does nothing if it was over before.
  ///
  /// - Complexity: O(1); for the last open of a file, a system call.
  public func close(_ number: UInt64) {
    state.withLock { state in
      if let slot = state.slots[number] { close(slot, &state) }
    }
  }

  /// Records that a node's file is no longer open, however often it was opened: the kernel does not
  /// know the node any more. Otherwise an open could stay on record for ever: if a server is killed
  /// before it answers the request to open, and the client is killed too, the kernel does not send
  /// the request again, and nothing closes the open.
  ///
  /// - Complexity: O(opens)
  public func closeAll(of node: NodeID) {
    state.withLock { state in
      guard state.files[node] != nil else { return }
      for slot in Array(state.slots.values) {
        let (words, start) = place(slot, &state)
        if words[start + 1] == node.rawValue { close(slot, &state) }
      }
    }
  }

  /// The nodes whose files are open, in no order.
  public var nodes: [NodeID] { state.withLock { Array($0.files.keys) } }

  private func close(_ slot: Int, _ state: inout State) {
    let (words, start) = place(slot, &state)
    let node = NodeID(rawValue: words[start + 1])
    state.slots[words[start]] = nil
    state.files[node]?.opens -= 1
    if let file = state.files[node], file.opens == 0 {
      state.files[node] = nil
      if file.backing != 0 {
        words[start + 3] = 1
        SystemCalls.closeBacking(file.backing, on: fuse)
      }
    }
    words[start] = 0
    words[start + 3] = 0
    state.free.append(slot)
  }

  /// Returns whether a node's file is open.
  ///
  /// - Complexity: O(1)
  public func isOpen(_ node: NodeID) -> Bool { state.withLock { $0.files[node] != nil } }

  /// Returns whether a node's file is open and the kernel does not keep it: only the process that
  /// opened it holds it.
  ///
  /// - Complexity: O(1)
  public func needsParking(_ node: NodeID) -> Bool {
    state.withLock { $0.files[node].map { $0.backing == 0 } ?? false }
  }

  /// How many opens there are.
  public var count: Int { state.withLock { $0.slots.count } }

  /// How many files the kernel keeps.
  public var keptCount: Int {
    state.withLock { $0.files.values.count { $0.backing != 0 } }
  }

  private func openBacking(of file: FileDescriptor?) -> UInt32 {
    file.flatMap { try? SystemCalls.openBacking($0, on: fuse) } ?? 0
  }

  // MARK: Slots

  private func addChunk() throws(Errno) {
    try state.withLock { (state) throws(Errno) in try addChunk(&state) }
  }

  /// Maps one more chunk of the file, and takes over the opens in it.
  private func addChunk(_ state: inout State) throws(Errno) {
    let chunk = state.chunks.count
    let words = try SharedWords(
      of: descriptor.descriptor, from: chunk * Self.chunkBytes,
      count: Self.chunkSlots * Self.slotWords)
    state.chunks.append(words)
    for slot in (chunk * Self.chunkSlots..<(chunk + 1) * Self.chunkSlots).reversed() {
      let (words, start) = place(slot, &state)
      if words[start] != 0 && words[start + 3] != 0 {
        // The kernel does not use a number again soon, so closing twice does no harm.
        SystemCalls.closeBacking(backing(slot, &state), on: fuse)
        words[start] = 0
      }
      // An earlier version, which knows no mark, may use the slot next.
      words[start + 3] = 0
      if words[start] == 0 { state.free.append(slot) } else { take(slot, &state) }
    }
  }

  /// Counts the open that a slot records.
  private func take(_ slot: Int, _ state: inout State) {
    let (words, start) = place(slot, &state)
    let backing = UInt32(truncatingIfNeeded: words[start + 2])
    state.slots[words[start]] = slot
    state.files[NodeID(rawValue: words[start + 1]), default: File(backing: backing)].opens += 1
  }

  private func backing(_ slot: Int, _ state: inout State) -> UInt32 {
    let (words, start) = place(slot, &state)
    return UInt32(truncatingIfNeeded: words[start + 2])
  }

  private func place(_ slot: Int, _ state: inout State) -> (SharedWords, Int) {
    (state.chunks[slot / Self.chunkSlots], slot % Self.chunkSlots * Self.slotWords)
  }
}
