#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The smallest useful sd_notify(3) client: READY=1 when it is ready, STATUS= as it goes, STOPPING=1 on SIGTERM."""

import os
import signal
import socket


def notify(*lines):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto("\n".join(lines).encode(), address)


def main():
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    period = float(os.environ.get("TICKER_PERIOD", "1"))
    notify("READY=1", "STATUS=ready, no tick yet")
    ticks = 0
    while signal.sigtimedwait(signals, period) is None:
        ticks += 1
        notify(f"STATUS={ticks} ticks")
    notify("STOPPING=1", f"STATUS=stopping after {ticks} ticks")


if __name__ == "__main__":
    main()
