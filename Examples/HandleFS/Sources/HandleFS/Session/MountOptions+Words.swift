internal import ArgumentParser

/// The options of `mount -o`.
extension MountOptions {
  /// Takes over an option, if it is one that a mount has.
  ///
  /// - Returns: whether it is known.
  /// - Throws: `ValidationError` if it has no value and needs one, or has a wrong one. A double quote
  ///   that is not closed has swallowed the options after it.
  mutating func take(_ word: OptionWord) throws -> Bool {
    guard word.text.count(where: { $0 == "\"" }).isMultiple(of: 2) else {
      throw ValidationError("\(word.shown): a double quote is not closed")
    }
    switch word.name {
    case "store":
      store = try word.required("a directory: store=DIR")
      database.connection = nil
    case "shared":
      database.connection = try word.required("a connection string: shared=service=NAME")
    case "gateway": database.gateway = try word.required("a name: gateway=NAME")
    case "filesystem_name":
      database.filesystemName = try word.required("a name: filesystem_name=NAME")
    case "cache": database.cache = try word.required("a directory: cache=DIR")
    case "patience": database.patience = try word.seconds()
    case "fsname": fsname = try word.required("a name: fsname=NAME")
    case "cache_timeout": cacheTimeout = try word.seconds()
    case "nodes": nodes = try word.count()
    case "idle_forget": idleForget = try word.seconds()
    case "watchdog": watchdog = try word.seconds()
    case "passthrough":
      guard let value = Passthrough(rawValue: word.value ?? "") else {
        throw ValidationError("\(word.text): give passthrough=auto, on or off")
      }
      passthrough = value
    case "transport":
      guard let value = Transport(rawValue: word.value ?? "") else {
        throw ValidationError("\(word.text): give transport=auto, dev or uring")
      }
      transport = value
    case "handles":
      guard let value = Handles(rawValue: word.value ?? "") else {
        throw ValidationError("\(word.text): give handles=auto, require or never")
      }
      handles = value
    case "log_format":
      guard let value = LogFormat(rawValue: word.value ?? "") else {
        throw ValidationError("\(word.text): give log_format=text or json")
      }
      logFormat = value
    case "cross_mounts": crossMounts = try word.isSet()
    case "allow_idmap": allowIdmap = try word.isSet()
    case "threads": threads = try word.count()
    case "cpus":
      guard let list = word.value.flatMap(ProcessorList.init) else {
        throw ValidationError("\(word.text): give processors: cpus=0-2, or cpus=\"0-2,5\"")
      }
      cpus = list
    case "max_background": maxBackground = try word.count()
    case "congestion_threshold": congestion = try word.count()
    case "request_timeout":
      requestTimeout = try word.number("a whole number of seconds: request_timeout=SECONDS")
    case "ro", "read_only": readOnly = try word.isSet()
    case "rw": readOnly = try !word.isSet()
    default: return word.isOfEveryMount
    }
    return true
  }
}

extension OptionWord {
  fileprivate func required(_ what: String) throws -> String {
    guard let value, !value.isEmpty else { throw ValidationError("\(shown): give \(what)") }
    return value
  }

  fileprivate func seconds() throws -> Double {
    guard let number = Double(value ?? "") else {
      throw ValidationError("\(text): give a number of seconds: \(name)=SECONDS")
    }
    return number
  }

  fileprivate func count() throws -> Int { try number("a number: \(name)=COUNT") }

  fileprivate func number(_ what: String) throws -> Int {
    guard let number = Int(value ?? "") else { throw ValidationError("\(text): give \(what)") }
    return number
  }

  /// Returns `true` for an option without a value.
  fileprivate func isSet() throws -> Bool {
    guard value == nil else { throw ValidationError("\(text): \(name) takes no value") }
    return true
  }

  /// Whether `mount(8)` lets every filesystem have the option. Those that are no flags of
  /// `mount(2)` are for `mount -a`, systemd and other programs, have no effect in any kernel, or say
  /// what is so on each handlefs.
  fileprivate var isOfEveryMount: Bool {
    MountFlags.has(text) || Self.ignored.contains(name) || Self.present.contains(text)
      || name.hasPrefix("x-") || name.hasPrefix("X-")
  }

  private static let ignored: Set = [
    "defaults", "auto", "noauto", "nofail", "_netdev", "comment", "nouser", "nousers", "noowner",
    "nogroup", "uhelper", "helper", "mand", "nomand",
  ]

  /// What `/proc/mounts` shows of each handlefs; a remount passes it on.
  private static let present: Set = [
    "allow_other", "default_permissions", "user_id=0", "group_id=0",
  ]
}
