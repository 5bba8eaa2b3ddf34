#!/usr/bin/env python3
"""Runs a program and measures it from outside: seconds to its first byte of output, seconds in all, most memory resident.

    bench/outside.py PROGRAM ARGUMENT ...

Prints one JSON document. Fails as the program fails, or when it prints nothing.
"""

import json
import os
import subprocess
import sys
import time


def main():
    start = time.perf_counter()
    child = subprocess.Popen(
        sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    # A full pipe of messages would stop the program; nobody needs them while it runs well.
    errors = tail_of(child.stderr)
    first = child.stdout.read(1)
    first_byte = time.perf_counter() - start
    while child.stdout.read(1 << 16):
        pass
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status != 0 or not first:
        sys.exit(f"{sys.argv[1]} ended with {status} after {len(first)} bytes of output: {errors()}")
    # Linux counts kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    print(json.dumps({"first_byte_s": first_byte, "wall_s": wall, "peak_bytes": usage.ru_maxrss * unit}))


def tail_of(stream):
    """Reads `stream` on a thread; the result gives its last line."""
    import collections
    import threading

    last = collections.deque(maxlen=1)
    reader = threading.Thread(target=lambda: last.extend(line for line in stream if line.strip()), daemon=True)
    reader.start()

    def result():
        reader.join()
        return last[0].decode(errors="replace").strip() if last else "no message"

    return result


if __name__ == "__main__":
    main()
