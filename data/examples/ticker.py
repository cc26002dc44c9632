#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small client of sd_notify(3) that says all that a manager can want to know: READY=1 when it is ready,
WATCHDOG=1 and STATUS= at each tick, RELOADING=1 and then READY=1 when it has read its file again on SIGHUP,
STOPPING=1 on SIGTERM. The file holds the seconds between two ticks; there are two at least in what the
watchdog leaves."""

import os
import pathlib
import signal
import socket
import time

FILE = pathlib.Path(os.environ.get("TICKER_FILE", "/etc/ticker"))
ENDING = {signal.SIGTERM, signal.SIGINT}


def notify(*lines):
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto("\n".join(lines).encode(), address)


def read_period():
    period = float(FILE.read_text()) if FILE.exists() else 5
    watchdog = os.environ.get("WATCHDOG_USEC")
    return min(period, int(watchdog) / 2e6) if watchdog else period


def reload():
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
    period = read_period()
    notify("READY=1", f"STATUS=ticks every {period:g} s")
    return period


def main():
    awaited = ENDING | {signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    period = read_period()
    ticks = 0
    notify("READY=1", "STATUS=ready, no tick yet")
    while (got := signal.sigtimedwait(awaited, period)) is None or got.si_signo == signal.SIGHUP:
        if got is not None:
            period = reload()
            continue
        ticks += 1
        notify("WATCHDOG=1", f"STATUS={ticks} ticks")
    notify("STOPPING=1", f"STATUS=stopping after {ticks} ticks")


if __name__ == "__main__":
    main()
