internal import SystemPackage

struct PageFile {
  init(_ p: FilePath) throws(StoreError) {}
  func requireWholeMeta() throws(StoreError) {}
}
struct StoreCheck {
  init(_ f: PageFile, state: StateFile) {};
  func run(atMost: Int) -> (findings: [String], n: Int) { ([], 0) }
}
