/// The types that cross this wall, by their object ids, which are the same in every PostgreSQL
/// (`pg_type.dat`).
enum PostgresType: UInt32 {
  case boolean = 16
  case bytes = 17
  case integer = 20
  case text = 25
  case booleans = 1000
  case byteStrings = 1001
  case integers = 1016
}
