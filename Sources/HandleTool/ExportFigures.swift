import Formatting
import HandleStore

/// The figures that the commands print of an export.
struct ExportFigures {
  private let name: String
  private var report = Report()
  private var layers: [(text: String, figures: Report)] = []

  /// Creates the figures of an export on record.
  init(_ record: ExportRecord, in store: Store) {
    name = record.name
    begin(record)
    let containment = record.containment
    report.add(
      "containment", containment.map { .text($0.rawValue) } ?? .text("automatic"))
    for layer in record.layers { add(layer, containment: nil, in: store) }
  }

  /// Creates the figures of an export that was just added.
  init(added export: Export, in store: Store) {
    name = export.record.name
    begin(export.record)
    report.add("root", export.root.rawValue)
    for (layer, containment) in zip(export.record.layers, export.containments) {
      add(layer, containment: containment, in: store)
    }
  }

  private mutating func begin(_ record: ExportRecord) {
    report.add("id", record.id.description)
    report.add("access", record.isReadOnly ? "read-only" : "read-write")
  }

  private mutating func add(
    _ layer: ExportRecord.Layer, containment: Containment?, in store: Store
  ) {
    let place = RootPlace(of: layer, in: store)
    var figures = Report()
    figures.add("filesystem", UInt64(layer.filesystem.rawValue))
    figures.add("root handle", layer.root.description)
    place.add(to: &figures)
    if let containment { figures.add("containment", containment.rawValue) }
    let how = containment.map { ", \($0.rawValue)" } ?? ""
    layers.append(("\(place.text) (filesystem \(layer.filesystem)\(how))", figures))
  }

  func print(asJSON: Bool) throws {
    var output = Output()
    try print(asJSON: asJSON, to: &output)
    try output.flush()
  }

  func print(asJSON: Bool, to output: inout Output) throws {
    guard asJSON else { return try lines.print(asJSON: false, to: &output) }
    let object = JSON.object(
      [("export", .string(name))] + report.jsonMembers + [
        ("layers", .array(layers.map(\.figures.json)))
      ])
    try output.line { object.append(to: &$0) }
  }

  private var lines: Report {
    var lines = Report()
    lines.add("export", Text.plain(name))
    for (name, figure) in report.figures { lines.add(name, figure) }
    for (i, layer) in layers.enumerated() { lines.add("layer \(i)", layer.text) }
    return lines
  }
}
