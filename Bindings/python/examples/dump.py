#!/usr/bin/python3
"""Dumps the nodes of a store, also while a server writes to it:  dump.py STORE [csv|json]"""

import csv
import json
import sys
from dataclasses import asdict

from handlestore import Store

FIELDS = ("id", "parent", "filesystem", "state", "type", "since", "handle_type", "handle")


def rows(store):
    for node in store.nodes():
        row = asdict(node)
        row["state"] = node.state.name.lower()
        row["type"] = oct(node.type)
        row["handle_type"], row["handle"] = node.handle.type, node.handle.bytes.hex()
        yield row


def dump(path, form):
    with Store(path, read_only=True) as store:
        if form == "json":
            for row in rows(store):
                print(json.dumps(row))
        else:
            table = csv.DictWriter(sys.stdout, FIELDS)
            table.writeheader()
            table.writerows(rows(store))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["csv"], ["json"]):
        sys.exit("usage: dump.py STORE [csv|json]")
    dump(sys.argv[1], "".join(sys.argv[2:]) or "csv")
