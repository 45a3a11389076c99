internal import SystemPackage

/// Finds the filesystems of nodes again whose records are lost: among the mounted ones, the one on which
/// the nodes' handles open.
///
/// Only generations that are random prove that: an inode number with the right 32 bits is no chance.
/// Where copies are mounted, or not the filesystem itself, nothing is taken.
struct LostFilesystems {
  /// How many handles of each filesystem are tried.
  private static let samples = 64

  private let found: Harvest

  init(of found: Harvest) { self.found = found }

  /// The filesystems of live nodes that are not among the `known` ones, as far as they are mounted.
  func recovered(
    without known: [FilesystemID: KnownFilesystem]
  ) throws -> [FilesystemID: KnownFilesystem] {
    let samples = try handles(without: known)
    guard !samples.isEmpty else { return [:] }
    let mounted = try Self.mounted()
    let found = samples.compactMapValues { handles in
      let matching = mounted.filter { $0.has(handles) }
      return matching.count == 1 ? KnownFilesystem(identity: matching[0].identity) : nil
    }
    // One that two numbers claim is neither's.
    return found.filter { id, known in
      !found.contains { $0.key != id && $0.value.identity.matches(known.identity) }
    }
  }

  /// The handles of some live nodes of each filesystem that is lost.
  private func handles(
    without known: [FilesystemID: KnownFilesystem]
  ) throws -> [FilesystemID: [KernelFileHandle]] {
    var handles: [FilesystemID: [KernelFileHandle]] = [:]
    try found.forEachBatch(.node) { rows in
      for row in rows {
        guard let record = row.record, record.state == .live, known[record.filesystem] == nil,
          record.filesystem.rawValue != 0, let handle = record.inlineHandle,
          handles[record.filesystem, default: []].count < Self.samples
        else { continue }
        handles[record.filesystem, default: []].append(handle)
      }
    }
    return handles
  }

  // MARK: What is mounted

  private struct Mounted {
    let directory: OwnedDescriptor
    let identity: FilesystemIdentity

    /// Whether files with these handles are there, as far as that can be proved.
    func has(_ handles: [KernelFileHandle]) -> Bool {
      handles.contains { handle in
        guard let generation = handle.identity(on: identity.magic)?.generation, generation != 0,
          let file = try? OwnedDescriptor(
            handle.open(on: directory.descriptor, flags: SystemCalls.path))
        else { return false }
        return (try? KernelFileHandle(of: file.descriptor)) == handle
      }
    }
  }

  /// A mount of each filesystem with random generations.
  private static func mounted() throws -> [Mounted] {
    var seen: Set<String> = []
    let table = try MountTable()
    return table.mounts.compactMap { mount in
      guard ["ext2", "ext3", "ext4", "xfs"].contains(mount.type), table.leads(to: mount),
        let directory = try? OwnedDescriptor(
          SystemCalls.open(mount.point, flags: SystemCalls.directory)),
        let (identity, superblock) = try? FilesystemIdentity.of(directory.descriptor),
        superblock == mount.device, seen.insert(superblock).inserted
      else { return nil }
      return Mounted(directory: directory, identity: identity)
    }
  }
}
