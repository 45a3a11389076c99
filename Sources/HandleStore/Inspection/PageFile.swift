internal import SystemPackage

/// A data file, read page by page without LMDB. LMDB trusts what it maps, so a damaged page can
/// crash it. This code checks every number from the file before using it.
struct PageFile: Sendable {
  static let name: FilePath.Component = "data.mdb"

  let path: FilePath
  let pageSize: Int
  /// The two meta pages as they were when the file was opened.
  let metas: [Result<MetaPage, MetaPage.Fault>]
  /// Whether ``metas`` were the two meta pages at one moment.
  private let metasAreOfOneMoment: Bool
  private let file: OwnedDescriptor

  /// - Throws: ``StoreError/damaged(_:)`` if there is no file, ``StoreError/system(_:_:)`` if it
  ///   cannot be opened.
  init(in directory: OpenDirectory) throws(StoreError) {
    path = directory.path(of: Self.name)
    do throws(Errno) {
      file = try directory.open(Self.name, flags: SystemCalls.readOnly)
    } catch .noSuchFileOrDirectory {
      throw .damaged("\(Self.name) is missing")
    } catch {
      throw StoreError(error, "opening \(path)")
    }
    (metas, pageSize, metasAreOfOneMoment) = Self.readStableMetas(file)
  }

  /// The number of names of the file, in any directory.
  var linkCount: UInt32 { (try? FullStatus(of: file.descriptor).file.links) ?? 1 }

  /// The number of whole pages that the file has now.
  var pageCount: Int { byteCount / pageSize }

  private var byteCount: Int { SystemCalls.size(of: file.descriptor) }

  // MARK: Meta pages

  typealias Metas = [Result<MetaPage, MetaPage.Fault>]

  /// The commit that LMDB considers the newest.
  var newest: MetaPage? { Self.newest(metas) }

  /// The newest commit whose meta page says nothing impossible. If one of the two commits has a wrong
  /// number, the free list shows which is the newer one.
  var newestPossible: MetaPage? {
    let possible = possibleMetas
    guard orderFault != nil else { return possible.max { $0.transaction < $1.transaction } }
    return possible.max { newestFreed($0) ?? 0 < newestFreed($1) ?? 0 }
  }

  /// Whether the newest commit is certainly the one that is found: both meta pages are possible, and
  /// so is their order.
  var knowsNewest: Bool { possibleMetas.count == 2 && orderFault == nil }

  /// What is wrong with the order of the two commits, or `nil`.
  ///
  /// The commits take turns on the two meta pages, so they are successive ones. Each commit that
  /// changes something frees pages, and lists them under its number; so the newer one has the newer
  /// list. (The pages of the older list may have been used again, and then have higher numbers than
  /// its own.)
  var orderFault: String? {
    let metas = possibleMetas.sorted { $0.transaction < $1.transaction }
    guard metasAreOfOneMoment, metas.count == 2 else { return nil }
    let (older, newer) = (metas[0], metas[1])
    let numbers = "\(older.transaction) and \(newer.transaction)"
    guard newer.transaction - older.transaction <= 1 else {
      return
        "the meta pages of data.mdb name commits \(numbers), which are not successive; one of the "
        + "numbers is wrong, so the newest commit is not known"
    }
    guard let freed = newestFreed(newer), let freedBefore = newestFreed(older),
      freed < freedBefore, freedBefore <= older.transaction
    else { return nil }
    return
      "the meta pages of data.mdb name commits \(numbers), but the first has the newer free list; "
      + "one of the numbers is wrong, so the newest commit is not known"
  }

  /// Returns the newest commit of which a commit's free list has pages; 0 if the list is empty, and
  /// `nil` if it cannot be read.
  private func newestFreed(_ meta: MetaPage) -> UInt64? {
    guard var number = meta.free.root else { return 0 }
    for level in (0..<meta.free.depth).reversed() {
      guard let page = try? page(number), page.isLeaf == (level == 0) else { return nil }
      if page.isLeaf { return page.key(page.count - 1).word(0) }
      number = page.child(page.count - 1)
    }
    return nil
  }

  /// The meta pages that say nothing impossible.
  private var possibleMetas: [MetaPage] {
    metas.compactMap { try? $0.get() }.filter { $0.fault == nil }
  }

  private static func newest(_ metas: Metas) -> MetaPage? {
    metas.compactMap { try? $0.get() }.reduce(nil) { newest, meta in
      guard let newest, newest.transaction >= meta.transaction else { return meta }
      return newest
    }
  }

  /// Reads the meta pages until two reads agree, because a writer may be changing one of them.
  /// Gives up after 100 tries.
  private static func readStableMetas(
    _ file: OwnedDescriptor
  ) -> (metas: Metas, pageSize: Int, areOfOneMoment: Bool) {
    var last = readMetas(file)
    for _ in 0..<100 {
      let again = readMetas(file)
      if again.metas == last.metas { return (last.metas, last.pageSize, true) }
      last = again
    }
    return (last.metas, last.pageSize, false)
  }

  /// Reads the two meta pages once. They record the page size. If the first one is lost, tries each
  /// page size until the second one confirms it.
  private static func readMetas(_ file: OwnedDescriptor) -> (metas: Metas, pageSize: Int) {
    let first = meta(file, 0, pageSize: 0)
    let known = (try? first.get())?.pageSize
    let sizes = known.map { [$0] } ?? MetaPage.pageSizes
    for size in sizes where MetaPage.pageSizes.contains(size) {
      let second = meta(file, 1, pageSize: size)
      if (try? second.get())?.pageSize == size { return ([first, second], size) }
    }
    let size = known.flatMap { MetaPage.pageSizes.contains($0) ? $0 : nil } ?? 4096
    return ([first, meta(file, 1, pageSize: size)], size)
  }

  private static func meta(
    _ file: OwnedDescriptor, _ number: Int, pageSize: Int
  ) -> Result<MetaPage, MetaPage.Fault> {
    var bytes = [UInt8](repeating: 0, count: MetaPage.size)
    let filled = try? SystemCalls.read(file.descriptor, at: number * pageSize, into: &bytes)
    guard filled == bytes.count else { return .failure(.notMeta) }
    return Result { () throws(MetaPage.Fault) in try MetaPage(bytes, number: number) }
  }

  /// Returns a meta page as it is now, or `nil` if it is not one.
  func currentMeta(_ number: Int) -> MetaPage? {
    try? Self.meta(file, number, pageSize: pageSize).get()
  }

  // MARK: Pages

  /// Reads a branch or leaf page.
  func page(_ number: Int) throws(PageFault) -> Page {
    try Page(try bytes(ofPage: number), number: number)
  }

  func bytes(ofPage number: Int) throws(PageFault) -> [UInt8] {
    try bytes(from: number, offset: 0, count: pageSize)
  }

  /// Reads `count` bytes from an offset in a page on. They may continue on the pages after it.
  func bytes(from page: Int, offset: Int, count: Int) throws(PageFault) -> [UInt8] {
    let (start, overflow) = page.multipliedReportingOverflow(by: pageSize)
    guard !overflow && page >= 0 && start <= Int.max - offset - count else {
      throw PageFault(page, "is not in the file")
    }
    var bytes = [UInt8](repeating: 0, count: count)
    let filled: Int
    do throws(Errno) {
      filled = try SystemCalls.read(file.descriptor, at: start + offset, into: &bytes)
    } catch {
      throw PageFault(page, "cannot be read: \(error)")
    }
    guard filled == count else { throw PageFault(page, "lies beyond the end of the file") }
    return bytes
  }

  /// Reads the value of an entry, which may have at most `limit` bytes.
  func value(of entry: LeafEntry, limit: Int) throws(PageFault) -> ArraySlice<UInt8> {
    switch entry.value {
    case .inline(let range) where range.count <= limit: return entry.page.bytes[range]
    case .overflow(let page, let size) where size <= limit:
      return try bytes(from: page, offset: Page.headerSize, count: size)[...]
    default: throw PageFault(entry.page.number, "has a value of the wrong kind or length")
    }
  }
}
