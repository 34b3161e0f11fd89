#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What building an index costs beside decompressing the dump: `forklored build`, with and without
full-text search, and `bzip2 -dc` of the same file in turn, all on one processor. Prints medians
and the ratios to bzip2, round by round.

    bench/build.py DUMP.bz2 [--runs N] [--processor P]"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import machine  # noqa: E402
from harness import FORKLORED  # noqa: E402


def timed(command, processor):
    """Wall and processor seconds."""
    before, usage = time.monotonic(), os.times()
    subprocess.run(["taskset", "-c", str(processor), *command], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    return (time.monotonic() - before, after.children_user + after.children_system -
            usage.children_user - usage.children_system)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--processor", type=int, default=0)
    args = parser.parse_args()
    index = tempfile.NamedTemporaryFile(suffix=".flk")  # pylint: disable=consider-using-with
    build = [FORKLORED, "build", "-q", args.dump, "-o", index.name]
    commands = {"bzip2 -dc": ["bzip2", "-dc", args.dump], "build --no-search": [*build, "--no-search"],
                "build": build}
    times = {name: [] for name in commands}
    for run in range(args.runs + 1):
        for name, command in commands.items():
            took = timed(command, args.processor)
            if run > 0:  # the first is a warm-up
                times[name].append(took)
    print(machine.line())
    print("| | wall s, median | processor s, median |\n|---|---|---|")
    for name, took in times.items():
        print(f"| {name} | {statistics.median(t[0] for t in took):.2f} | "
              f"{statistics.median(t[1] for t in took):.2f} |")
    bzip2 = times.pop("bzip2 -dc")
    for name, took in times.items():
        for which, kind in enumerate(("wall", "processor")):
            ratios = [a[which] / b[which] for a, b in zip(took, bzip2)]
            print(f"{name} to bzip2, {kind}: median {statistics.median(ratios):.2f}, "
                  f"{min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
