import Foundation
import SystemPackage
import TestSupport
import Testing

/// If a mount shows several filesystems and subvolumes, no two files have one inode number, and a file
/// has the same by `stat(2)` and `readdir(3)`, also for the next server and after the next mount.
@Suite(.serialized) struct NumberTests {
  /// Each as a directory of `source`.
  private struct Shown {
    let mounted: Mounted
    let volumes: [Volume]
    let mounts: [Mount]
    let names: [String]
  }

  /// Subvolumes with numbers that stood for filesystems once, filesystems of several kinds, and one file
  /// of another filesystem on a file.
  private func several(on kind: VolumeKind) throws -> Shown {
    let mounted = try Mounted(kind, ["--cross-mounts"])
    var names: [String] = []
    // So many that the kernel asks for the rest of the list without attributes.
    try succeed(
      "sh", "-ec", #"cd "$0"; seq -f "a-file-with-a-rather-long-name-%g" 1200 | xargs touch"#,
      mounted.source.string)
    if kind == .btrfs {
      // 256 and above: the 512th has the number that is two times 256.
      let subvolumes = mounted.volume.path.appending("subvolumes")
      try succeed(
        "sh", "-ec",
        #"mkdir "$0"; cd "$0"; for i in $(seq 270); do btrfs -q subvolume create $i; done"#,
        subvolumes.string)
      for i in [1, 2, 255, 256, 257, 270] {
        let name = "subvolume-\(i)"
        try rename(subvolumes.appending("\(i)"), to: mounted.source.appending(name))
        names.append(name)
      }
      names.append("subvolume-1/inner")
      try succeed(
        "btrfs", "-q", "subvolume", "create", mounted.source.appending("\(names[6])").string)
    }
    let volumes = try [.ext4, .ext4, .xfs, .btrfs, .tmpfs, .tmpfs].map { try Volume($0) }
    var mounts: [Mount] = []
    for (i, volume) in volumes.enumerated() {
      let name = "mount-\(i)"
      names.append(name)
      mounts.append(
        try Mount(["--bind", volume.path.string], at: mounted.source.appending(name)))
    }
    for name in names { try fill(mounted.source.appending(name), name) }
    try write("beneath", to: mounted.source.appending("bound"))
    let hidden = try Volume(.ext4)
    try write("on it", to: hidden.path.appending("bound"))
    mounts.append(
      try Mount(
        ["--bind", hidden.path.appending("bound").string], on: mounted.source.appending("bound")))
    return Shown(mounted: mounted, volumes: volumes + [hidden], mounts: mounts, names: names)
  }

  private func fill(_ directory: FilePath, _ name: String) throws {
    let script = #"""
      mkdir -p "$0/d/e"; cd "$0"
      for i in $(seq 40); do echo "$1 $i" > d/file-$i; done
      ln d/file-1 link; ln -s d symbolic; ln d/file-2 d/e/link
      """#
    try succeed("sh", "-ec", script, directory.string, name)
  }

  @Test(.mountsHandleFS, arguments: [VolumeKind.ext4, .btrfs])
  func noTwoFilesHaveOneNumber(_ kind: VolumeKind) throws {
    let shown = try several(on: kind)
    let mounted = shown.mounted
    let before = try mounted.numbers()
    try expectUnique(before, links: shown.names.count)
    #expect(before.count > shown.names.count * 40)
    // By the next server, and after the next mount; and each time from the last to the first.
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.numbers(backwards: true) == before)
    try mounted.unmount()
    try mounted.mount()
    #expect(try mounted.numbers(backwards: true) == before)
    try expectCopies(mounted)
  }

  /// What goes by the numbers: tar and rsync find hard links by them, and find its way.
  private func expectCopies(_ mounted: Mounted) throws {
    var commands = [#"tar -C "$0" -c . | tar -C "$1" -x"#, #"cp -a "$0/." "$1""#]
    if try TestSupport.run("which", "rsync").status == 0 {
      commands.append(#"rsync -aH "$0/" "$1""#)
    }
    for command in commands {
      let copy = try Volume(.tmpfs)
      let result = try mounted.run(
        ["sh", "-c", command, mounted.mountpoint.string, copy.path.string])
      #expect(result.status == 0 && result.errors == "", "\(result.errors)")
      try succeed("diff", "-r", "--no-dereference", mounted.source.string, copy.path.string)
      // Each link is one, and nothing else is.
      let count = #"find "$0" -type f -links +1 | wc -l"#
      #expect(
        try succeed("sh", "-c", count, copy.path.string)
          == succeed("sh", "-c", count, mounted.source.string))
    }
    let find = try mounted.run(["find", mounted.mountpoint.string, "-follow", "-name", "file-*"])
    let expected = try succeed("find", mounted.source.string, "-follow", "-name", "file-*")
    #expect(find.errors == "")
    #expect(find.output.split(separator: "\n").count == expected.split(separator: "\n").count)
  }

  private func expectUnique(_ numbers: [String: UInt64], links: Int) throws {
    var names: [UInt64: [String]] = [:]
    for (name, number) in numbers { names[number, default: []].append(name) }
    for (number, names) in names where names.count > 1 {
      let isLink = names.count == 2 && names.contains { $0.hasSuffix("link") }
      #expect(isLink, "\(number): \(names)")
    }
    #expect(names.values.filter { $0.count == 2 }.count == 2 * links)
  }

  /// An overlayfs over two filesystems has files with one number, told apart by their devices only.
  @Test(.mountsHandleFS) func layersAreToldApart() throws {
    let (lower, upper) = (try Volume(.ext4), try Volume(.ext4))
    let mounted = try Mounted(.ext4, ["--cross-mounts"])
    for volume in [lower, upper] {
      try succeed("mkdir", volume.path.appending("files").string)
    }
    for i in 1...20 {
      try write("lower \(i)", to: lower.path.appending("files/lower-\(i)"))
    }
    try succeed("mkdir", upper.path.appending("work").string)
    let overlay = try Mount(
      [
        "-t", "overlay", "-o",
        "index=on,nfs_export=on,xino=off,lowerdir=\(lower.path)/files,upperdir=\(upper.path)/files,"
          + "workdir=\(upper.path)/work", "overlay",
      ], at: mounted.source.appending("overlay"))
    for i in 1...20 { try write("upper \(i)", to: overlay.path.appending("upper-\(i)")) }
    let numbers = try mounted.numbers()
    #expect(Set(numbers.values).count == numbers.count && numbers.count > 40)
    try mounted.waitForNewServer(after: mounted.killServer())
    #expect(try mounted.numbers() == numbers)
    let copy = try Volume(.tmpfs)
    let tar = #"tar -C "$0" -c . | tar -C "$1" -x"#
    #expect(
      try mounted.run(["sh", "-c", tar, mounted.mountpoint.string, copy.path.string]).errors == "")
    try succeed("diff", "-r", mounted.source.string, copy.path.string)
  }
}

extension Mounted {
  /// The inode number of each file, which is that of its entry in its directory.
  fileprivate func numbers(backwards: Bool = false) throws -> [String: UInt64] {
    let script = #"""
      import os, sys
      top, back = sys.argv[1], sys.argv[2] == "True"
      def walk(path):
          seen = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=back)
          for entry in seen:
              status = os.lstat(entry.path)
              if entry.inode() != status.st_ino:
                  print("differs", entry.path, entry.inode(), status.st_ino)
              print(status.st_ino, entry.path[len(top):])
              if entry.is_dir(follow_symlinks=False):
                  walk(entry.path)
      walk(top)
      """#
    // Not all filesystems: that would spoil the power cuts of other tests, and wait for their servers.
    try succeed("sync", "-f", volume.path.string)
    try write("3", to: "/proc/sys/vm/drop_caches")
    let result = try run(["python3", "-c", script, mountpoint.string, backwards ? "True" : "False"])
    #expect(result.errors == "")
    var numbers: [String: UInt64] = [:]
    for line in result.output.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, let number = UInt64(words[0]) else {
        Issue.record("\(line)")
        continue
      }
      numbers[String(words[1])] = number
    }
    return numbers
  }
}
