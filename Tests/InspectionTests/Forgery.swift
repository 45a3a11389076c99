import SystemPackage
import TestSupport

@testable import HandleStore

extension StoreCopy {
  /// Changes the tables behind the store's back.
  func forge(_ body: (borrowing WriteTransaction, Tables) throws -> Void) throws {
    try Self.forge(path, body)
  }

  /// Changes the tables of any closed store.
  static func forge(
    _ path: FilePath, _ body: (borrowing WriteTransaction, Tables) throws -> Void
  ) throws {
    let environment = try Environment(
      directory: OpenDirectory(path), mode: EnvironmentMode(), mapSize: Environment.initialMapSize,
      tables: Tables.count)
    defer {
      environment.stop()
      environment.close(trimming: true)
    }
    let tables = try Tables(environment, create: false)
    let transaction = try environment.write()
    try body(transaction, tables)
    try transaction.commit()
  }

  /// The trees of the newest commit.
  func trees() throws -> (PageFile, MetaPage, TableTrees) {
    let file = try PageFile(in: OpenDirectory(path))
    guard let meta = file.newest else { throw PageFault(0, "is no meta page") }
    let trees = TableTrees(
      of: file, meta: meta, use: file.pageUse(meta), findings: FindingList(limit: 0))
    return (file, meta, trees)
  }

  /// The first leaf of a table, and the page above it.
  func firstLeaf(of table: TableName) throws -> (parent: Page?, leaf: Page) {
    let (file, _, trees) = try trees()
    guard let root = trees[table]?.root else { throw PageFault(0, "has no such table") }
    var (parent, page) = (Page?.none, try file.page(root))
    while !page.isLeaf {
      parent = page
      page = try file.page(page.child(0))
    }
    return (parent, page)
  }

  /// Changes some bytes of a page.
  func patch(_ page: Page, at offset: Int, _ bytes: [UInt8]) throws {
    try overwrite(data, at: page.number * page.bytes.count + offset, bytes)
  }
}

extension WriteTransaction {
  /// Puts words under a number.
  func put<K, V>(
    _ table: Table<K, V>, _ number: UInt64, _ words: [UInt64], size: Int? = nil
  ) throws {
    var value = PackedBytes(size: size ?? words.count * 8)
    value.words = words
    try put(value, for: number, in: Table(dbi: table.dbi))
  }

  func remove<K, V>(_ table: Table<K, V>, _ number: UInt64) throws {
    try remove(number, from: Table<UInt64, UInt64>(dbi: table.dbi))
  }
}
