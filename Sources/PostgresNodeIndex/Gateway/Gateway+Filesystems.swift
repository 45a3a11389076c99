internal import HandleStore
internal import SystemPackage

extension Gateway {
  /// Takes up the filesystems on record.
  ///
  /// A database that was put back to an earlier state may have lost some that this process uses. They are
  /// added again. If one has another filesystem's number by now, the gateway ends: this process would open
  /// the nodes of the other one there.
  func takeFilesystems(_ rows: Rows, _ state: inout State) throws {
    let former = filesystems.all
    try filesystems.take(rows)
    if let id = filesystems.replaced(of: former) {
      let reason = StoreError.database(
        .ioError,
        "the database was put back, and another filesystem has the number \(id) there; start the process again"
      )
      abandon(reason, &state)
      throw reason
    }
    let recorded = Set((0..<rows.count).compactMap { rows.integer($0, 0) })
    let lost = former.filter { !recorded.contains(Int64($0.key.rawValue)) }
    guard !lost.isEmpty else { return }
    _ = try run(lost.map { FurtherChange(adding: $0.value, as: $0.key).statement }, &state)
  }
}

extension KnownFilesystems {
  /// Takes up rows with the id and the text of a filesystem.
  func take(_ rows: Rows) throws {
    for row in 0..<rows.count {
      guard let id = rows.integer(row, 0).flatMap({ UInt16(exactly: $0) }),
        let known = rows.text(row, 1).flatMap({ KnownFilesystem(text: $0) })
      else { throw StoreError.damaged("a row of handlestore_filesystem makes no sense") }
      self[FilesystemID(rawValue: id)] = known
    }
  }

  /// Returns one of some filesystems whose id another one has here.
  fileprivate func replaced(of former: [FilesystemID: KnownFilesystem]) -> FilesystemID? {
    former.first { id, known in !(self[id]?.matches(known.identity) ?? true) }?.key
  }
}
