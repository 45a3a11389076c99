internal import SystemPackage

extension PageFile {
  /// Checks that LMDB can map the file. LMDB trusts the meta pages, and reading a page beyond the
  /// end of the file would raise SIGBUS.
  ///
  /// - Parameter followEachOther: whether the order of the two commits must be possible. After a
  ///   power cut it need not be, if commits were not flushed.
  /// - Complexity: O(1); O(free list) if pages at the end of the file were never written.
  func requireWholeMeta(followEachOther: Bool) throws(StoreError) {
    try requireVersion()
    if let fault = wholeMetaFault { throw fault }
    if followEachOther, let orderFault { throw .damaged(orderFault) }
  }

  /// Checks that the file is not in an unknown version of LMDB's format.
  func requireVersion() throws(StoreError) {
    guard case .failure(.version(let found)) = metas[0], metas[0] == metas[1] else { return }
    throw .unsupportedVersion(found: found, supported: MetaPage.version)
  }

  private var wholeMetaFault: StoreError? {
    let faults = metas.map { meta -> MetaPage.Fault? in
      if case .failure(let fault) = meta { fault } else { nil }
    }
    if faults == [.notMeta, .notMeta] {
      return .notAStore(
        path: path.removingLastComponent(), reason: "its data.mdb is not an LMDB file")
    }
    for (number, fault) in faults.enumerated() {
      if let fault { return .damaged("meta page \(number) of data.mdb \(fault.reason)") }
    }
    guard let newest else { return .damaged("data.mdb has no meta page") }
    if let fault = newest.fault {
      return .damaged("meta page \(newest.number) of data.mdb \(fault)")
    }
    return isLongEnough(newest) ? nil : .damaged("data.mdb was cut short")
  }

  /// The most pages at the end of a file that a commit may have left unwritten.
  static let mostUnwritten = 1 << 16

  /// Returns whether the file has every page of a commit. Pages at its end may be missing if the
  /// commit left them free: LMDB may never have written them.
  func isLongEnough(_ meta: MetaPage) -> Bool {
    let end = pageCount
    guard meta.lastPage >= end else { return true }
    guard meta.lastPage - end < Self.mostUnwritten else { return false }
    let list = FreeList(self, meta)
    list.read()
    return list.isWhole && (end...meta.lastPage).allSatisfy(list.use.isFree)
  }
}

extension PageFile {
  /// Returns a record of page use for a commit. It limits the number of pages, because a damaged
  /// meta page may claim more than memory can hold.
  func pageUse(_ meta: MetaPage) -> PageUse {
    PageUse(lastPage: min(meta.lastPage, pageCount + Self.mostUnwritten))
  }
}

extension MetaPage.Fault {
  /// What is wrong, as the end of a sentence that begins with the page.
  var reason: String {
    switch self {
    case .notMeta: "is not a meta page"
    case .version(let found): "has version \(found) of LMDB's format"
    }
  }
}
