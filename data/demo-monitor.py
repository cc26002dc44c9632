#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads busctl's monitor output (one JSON message a line) and prints what changed of org.svcmgr1.Service, until the state
STATE has been seen and at least COUNT changes were."""

import json
import sys


def main(state, count):
    seen = 0
    for line in sys.stdin:
        interface, changed, _invalidated = json.loads(line)["payload"]["data"]
        if interface != "org.svcmgr1.Service":
            continue
        seen += 1
        values = {name: value["data"] for name, value in changed.items()}
        print(f"  PropertiesChanged: serial {values['StateSerial']}, State {values.get('State', '(same)')}:",
              ", ".join(sorted(values)))
        if values.get("State") == state and seen >= int(count):
            return
    sys.exit("the monitor ended before it had seen everything")


if __name__ == "__main__":
    main(*sys.argv[1:])
