import HandleStore

print("storeworker: see the tests")
