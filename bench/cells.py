#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The four cells {processes, threads} x {ring, shared} on one index, interleaved: seconds of a
PageRank job from submission to its scores (start of its workers included), time from exec to the
first answer, and memory of a worker. Scores are checked to be the same in every cell before a time
counts. Prints medians, and ratios to the first cell pair by pair.

    bench/cells.py INDEX [--workers N] [--runs N] [--precision single|double]"""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
from harness import Daemon, ROOT  # noqa: E402

CELLS = [(mode, exchange) for mode in ("processes", "threads") for exchange in ("ring", "shared")]


def describe():
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpu = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return (f"commit {commit or '?'}, {os.cpu_count()} x {cpu}, Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.2f}")


def run_job(rpc, exchange, options):
    job = rpc.pagerank(exchange=exchange, publish=True, **options)
    if job["state"] != "done":
        raise SystemExit(f"the job failed: {job['error']}")
    return job["seconds"], (job["iteration"], job["change"],
                            str(rpc.call("export", "scores", 0, 10000)["rows"]))


def start_seconds(index, mode, workers):
    before = time.monotonic()
    with Daemon(index, "--quiet", "--workers", f"{mode}:{workers}"):
        return time.monotonic() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--precision", default="single")
    args = parser.parse_args()
    options = {"precision": args.precision, "workers": args.workers}

    daemons = {mode: Daemon(args.index, "--quiet", "--workers", f"{mode}:{args.workers}")
               for mode in ("processes", "threads")}
    rpcs = {mode: daemon.connect() for mode, daemon in daemons.items()}
    seconds, results, starts = {cell: [] for cell in CELLS}, set(), {m: [] for m in daemons}
    for run in range(args.runs + 1):
        for mode, exchange in CELLS:
            took, result = run_job(rpcs[mode], exchange, options)
            results.add(result)
            if run > 0:  # the first is a warm-up
                seconds[mode, exchange].append(took)
        for mode in daemons:
            starts[mode].append(start_seconds(args.index, mode, args.workers))
    if len(results) != 1:
        raise SystemExit(f"{len(results)} different results: the times mean nothing")

    status = rpcs["processes"].call("status")
    worker = status["workers"][0]
    index = status["index"]
    print(describe())
    print(f"{index['pages']} pages, {index['edges']} links, {args.workers} workers, "
          f"{args.precision} precision, {args.runs} runs, scores equal in all cells\n")
    print("| workers | exchange | PageRank, median ms | spread | ratio, median |")
    print("|---|---|---|---|---|")
    for cell in CELLS:
        times = seconds[cell]
        ratios = [a / b for a, b in zip(times, seconds[CELLS[0]])]
        print(f"| {cell[0]} | {cell[1]} | {statistics.median(times) * 1e3:.2f} | "
              f"{min(times) * 1e3:.2f} to {max(times) * 1e3:.2f} | "
              f"{statistics.median(ratios):.3f} |")
    print("\n| | processes | threads |\n|---|---|---|")
    print("| exec to first answer, median ms | " +
          " | ".join(f"{statistics.median(starts[m]) * 1e3:.0f}" for m in daemons) + " |")
    print(f"| private memory of a worker, KiB | {worker['private_kib']} | shared |")
    print(f"| page tables of a worker, KiB | {worker['page_tables_kib']} | shared |")
    for mode, daemon in daemons.items():
        rpcs[mode].close()
        daemon.stop()


if __name__ == "__main__":
    main()
