import HandleStore
import SystemPackage

let store = try Store(at: FilePath(CommandLine.arguments[1]))
let dir = try FileDescriptor.open(FilePath(CommandLine.arguments[2]), .readOnly)
let fs = try store.attach(dir)
print(store.knownFilesystems())
var entries = DirectoryEntries(of: dir)
while let e = try entries.next() {
  let h = try KernelFileHandle(name: e.name, in: dir)
  let s = try FileStatus(name: e.name, in: dir)
  let r = try store.register(h, status: s, on: fs)
  print(e.name, h, r)
  let fd = try store.open(r.node)
  print(try FileStatus(of: fd).inode == s.inode, try store.node(of: h, on: fs)?.id == r.node)
  try fd.close()
}
print(store.statistics)
try store.close()
