import TestSupport
import Testing

@Test func productsAreFound() throws {
  #expect(try run(product("storeworker")).status == 0)
}
