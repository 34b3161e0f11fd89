#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How much a time depends on where an index happens to lie: the same index is loaded into several
segments, and in each the same PageRank runs in processes and in threads, in turn. The medians of one
mode differ between the segments; the ratio of the modes is taken within a segment.

    make build/bench/pagerank && bench/placement.py INDEX.flk [--segments N] [--rounds N]
                                                    [--cell "ring|shared WORKERS single|double"]"""
import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import machine  # noqa: E402
import report  # noqa: E402
import workloads  # noqa: E402

TOLERANCE = 1e-8
MODES = ("processes", "threads")


class Segment:
    def __init__(self, index):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([os.path.join(workloads.BUILD, "bench", "pagerank"), index],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.took_ms = {mode: [] for mode in MODES}

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit("bench/pagerank ended")

    def run(self, mode, cell):
        self.process.stdin.write(f"run {mode} {cell} {TOLERANCE}\n")
        self.process.stdin.flush()
        self.took_ms[mode].append(self.answer()["run_s"] * 1e3)

    def ratios(self):
        return [a / b for a, b in zip(*self.took_ms.values())]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--segments", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cell", default="shared 2 double")
    args = parser.parse_args()
    segments = [Segment(args.index) for _ in range(args.segments)]
    for segment in segments:
        segment.answer()
    for turn in range(args.rounds):
        for segment in segments:
            for mode in MODES[::1 if turn % 2 else -1]:
                segment.run(mode, args.cell)
    rows, ratios = [], []
    for number, segment in enumerate(segments, 1):
        rows.append([f"segment {number}", *(f"{statistics.median(segment.took_ms[mode]):.1f}"
                                            for mode in MODES),
                     f"{statistics.median(segment.ratios()):.3f}"])
        ratios += segment.ratios()
    medians = [[statistics.median(s.took_ms[mode]) for s in segments] for mode in MODES]
    low, middle, high = report.quartiles(ratios)
    rows += [["highest to lowest", *(f"{max(m) / min(m):.3f}" for m in medians), ""],
             ["all runs: median, quartiles", "", "", f"{middle:.3f} ({low:.3f} to {high:.3f})"]]
    print(machine.line())
    print(*report.table(["ms", *MODES, "processes to threads"], rows), sep="\n")


if __name__ == "__main__":
    main()
