// handlestore.h documents the functions.
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation

public import CHandleStore
internal import HandleStore
internal import SystemPackage

@c @implementation
public func hs_journal_open(
  _ fd: CInt, _ capacity: Int, _ journal: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let result = unsafe try require(journal, "journal")
    unsafe result.pointee = nil
    unsafe result.pointee = hold(
      try IntentJournal(in: FileDescriptor(rawValue: fd), capacity: capacity))
  }
}

@c @implementation
public func hs_journal_free(_ journal: OpaquePointer!) {
  _ = unsafe release(journal, as: IntentJournal.self)
}

@c @implementation
public func hs_journal_note(
  _ journal: OpaquePointer!, _ request: UInt64, _ intent: UnsafePointer<hs_intent>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let journal = unsafe try object(journal, "journal", as: IntentJournal.self)
    let intent = unsafe try Intent(require(intent, "intent").pointee)
    try journal.note(intent, for: numbered(request))
  }
}

@c @implementation
public func hs_journal_forget(
  _ journal: OpaquePointer!, _ request: UInt64, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    unsafe try object(journal, "journal", as: IntentJournal.self).forget(numbered(request))
  }
}

@c @implementation
public func hs_journal_find(
  _ journal: OpaquePointer!, _ request: UInt64, _ operation: UnsafeMutablePointer<UInt32>!,
  _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let journal = unsafe try object(journal, "journal", as: IntentJournal.self)
    let result = unsafe try require(operation, "operation")
    let noted = try journal[numbered(request)]?.operation.rawValue
    unsafe result.pointee = UInt32(noted ?? 0)
  }
}

@c @implementation
public func hs_journal_was_done(
  _ journal: OpaquePointer!, _ request: UInt64, _ directory: CInt, _ new_directory: CInt,
  _ done: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let journal = unsafe try object(journal, "journal", as: IntentJournal.self)
    let result = unsafe try require(done, "done")
    let other = new_directory == -1 ? nil : FileDescriptor(rawValue: new_directory)
    let wasDone = try journal[numbered(request)]?.wasDone(
      in: FileDescriptor(rawValue: directory), newDirectory: other)
    unsafe result.pointee = wasDone ?? false ? 1 : 0
  }
}

@c @implementation
public func hs_journal_attribute_was_done(
  _ journal: OpaquePointer!, _ request: UInt64, _ has_attribute: CInt,
  _ done: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let journal = unsafe try object(journal, "journal", as: IntentJournal.self)
    let result = unsafe try require(done, "done")
    let wasDone = try journal[numbered(request)]?.wasDone(hasAttribute: has_attribute != 0)
    unsafe result.pointee = wasDone ?? false ? 1 : 0
  }
}

@c @implementation
public func hs_journal_range_was_done(
  _ journal: OpaquePointer!, _ request: UInt64, _ size: UInt64,
  _ done: UnsafeMutablePointer<CInt>!, _ error: UnsafeMutablePointer<hs_error>!
) -> CInt {
  unsafe call(error) { () throws(StoreError) in
    let journal = unsafe try object(journal, "journal", as: IntentJournal.self)
    let result = unsafe try require(done, "done")
    let wasDone = try journal[numbered(request)]?.wasDone(size: size)
    unsafe result.pointee = wasDone ?? false ? 1 : 0
  }
}

/// Returns a request's number, which is not 0.
private func numbered(_ request: UInt64) throws(StoreError) -> UInt64 {
  guard request != 0 else { throw .badValue("a request has the number 0; numbers begin with 1") }
  return request
}

extension Intent {
  /// The intent that a caller describes.
  fileprivate init(_ intent: hs_intent) throws(StoreError) {
    guard unsafe intent.reserved == (0, 0, 0) else {
      throw .badValue(
        "a reserved member of an intent is not 0; fill it with zeros before you use it")
    }
    let number = unsafe intent.operation
    guard let operation = UInt8(exactly: number).flatMap({ Operation(rawValue: $0) }) else {
      throw .badValue("there is no operation \(number); pass one of HS_INTENT_…")
    }
    switch operation {
    case .create: self = .create(unsafe intent.fileType, as: unsafe try intent.firstName())
    case .link: self = .link(unsafe try intent.firstFile(), as: unsafe try intent.firstName())
    case .remove: self = .remove(unsafe try intent.firstName(), of: unsafe try intent.firstFile())
    case .rename:
      self = .rename(
        unsafe try intent.firstFile(), from: unsafe try intent.firstName(),
        to: unsafe try intent.secondName())
    case .exchange:
      self = .exchange(
        unsafe try intent.firstName(), of: unsafe try intent.firstFile(),
        with: unsafe try intent.secondName(), of: unsafe try intent.secondFile())
    // The name is for people who look into a journal.
    case .createAttribute: self = .createAttribute("attribute")
    case .removeAttribute: self = .removeAttribute("attribute")
    case .insertRange: self = .insertRange(of: unsafe intent.length, size: unsafe intent.size)
    case .collapseRange: self = .collapseRange(of: unsafe intent.length, size: unsafe intent.size)
    }
  }
}

extension hs_intent {
  fileprivate var fileType: FileType {
    FileType(rawValue: CInterop.Mode(unsafe type & 0o170000))
  }

  fileprivate func firstName() throws(StoreError) -> FilePath {
    unsafe try component(name, name_length)
  }

  fileprivate func secondName() throws(StoreError) -> FilePath {
    unsafe try component(new_name, new_name_length)
  }

  fileprivate func firstFile() throws(StoreError) -> KernelFileHandle {
    unsafe try KernelFileHandle(require(file, "intent->file"))
  }

  fileprivate func secondFile() throws(StoreError) -> KernelFileHandle {
    unsafe try KernelFileHandle(require(other, "intent->other"))
  }
}
