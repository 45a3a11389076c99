internal import SystemPackage

extension PageFile {
  /// Sees that LMDB can map the file: it takes what the meta pages say for granted, and a page behind
  /// the end of the file would be a SIGBUS.
  ///
  /// - Complexity: O(1); O(free list) where pages at the end of the file were never written.
  func requireWholeMeta() throws(StoreError) {
    try requireVersion()
    if let fault = wholeMetaFault { throw fault }
  }

  /// Sees that the file is not of a version of LMDB's format that is not known.
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
        path: path.removingLastComponent(), reason: "its data.mdb is not a file of LMDB")
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

  /// How many pages at the end of a file a commit may have left unwritten.
  static let mostUnwritten = 1 << 16

  /// Whether every page of a commit is in the file. Pages at its end that the commit left free may
  /// never have been written.
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
  /// For the pages of a commit, which may say that there are more than a memory can hold.
  func pageUse(_ meta: MetaPage) -> PageUse {
    PageUse(lastPage: min(meta.lastPage, pageCount + Self.mostUnwritten))
  }
}

extension MetaPage.Fault {
  /// Continues a sentence that begins with the page.
  var reason: String {
    switch self {
    case .notMeta: "is not one"
    case .version(let found): "has version \(found) of LMDB's format"
    }
  }
}
