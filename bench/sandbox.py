#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What sandbox and supervision cost: `lookup` of random titles (closed loop, bench/load.c) and
PageRank jobs, at this daemon with and without its sandbox and, with --before, at another build's,
options included ("FORKLORED --no-sandbox"). Servers take turns, round by round, each round in
another order; medians of the ratios to the last one, round by round.

    bench/sandbox.py [--before COMMAND] [--rounds N] [--seconds S] [--pages N] [--jobs N]"""
import argparse
import os
import random
import shlex
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import harness  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
from serve import LOAD, PIPELINES, load, write_titles  # noqa: E402

JOB = {"tolerance": 0, "iterations": 200, "workers": 2, "publish": False}


class Server:
    protocol = "rpc"

    def __init__(self, name, program, index, *options):
        self.name = name
        ours, harness.FORKLORED = harness.FORKLORED, program
        self.daemon = harness.Daemon(index, "--quiet", "--workers", "processes:2", *options)
        harness.FORKLORED = ours
        self.path = self.daemon.path
        self.rpc = self.daemon.connect()
        status = self.rpc.call("status")
        self.pids = [status["pid"], *(worker["pid"] for worker in status["workers"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before")
    parser.add_argument("--rounds", type=int, default=81)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--pages", type=int, default=20000)
    parser.add_argument("--jobs", type=int, default=5)
    options = parser.parse_args()
    if not os.path.exists(LOAD):
        raise SystemExit("make build/bench/load first")
    index = harness.synthetic_index(options.pages)
    servers = [Server("sandbox", harness.FORKLORED, index),
               Server("--no-sandbox", harness.FORKLORED, index, "--no-sandbox")]
    if options.before:
        program, *arguments = shlex.split(options.before)
        servers.append(Server("before", os.path.abspath(program), index, *arguments))
    titles = os.path.join(harness.scratch(), "titles")
    write_titles(titles, servers[0].path, 1000)
    found = {}

    def note(what, server, value):
        found.setdefault(what, {}).setdefault(server.name, []).append(value)

    for _ in range(options.rounds):
        for server in random.sample(servers, len(servers)):
            for pipeline in PIPELINES:
                before_ns = machine.processor_ns(server.pids)
                result = load(server, titles, "-c", 16, "-p", pipeline, "-s", options.seconds,
                              "-w", 0)
                note(f"lookups a second, pipeline {pipeline}", server, result["per_second"])
                note(f"processor us a lookup, pipeline {pipeline}", server,
                     (machine.processor_ns(server.pids) - before_ns) / 1e3 / result["answers"])
                note(f"p50 us, pipeline {pipeline}", server, result["p50_us"])
                note(f"p99 us, pipeline {pipeline}", server, result["p99_us"])
            for _ in range(options.jobs):
                job = server.rpc.pagerank(**JOB)
                note("PageRank, iterations a second", server, job["iteration"] / job["run_seconds"])
                note("PageRank, seconds with start and end", server, job["seconds"])
    base = servers[-1].name
    rows = []
    for what, values in found.items():
        cells = []
        for server in servers[:-1]:
            ratio = statistics.median(a / b for a, b in zip(values[server.name], values[base]))
            cells += [f"{statistics.median(values[server.name]):.4g}", f"{ratio:.3f}"]
        rows.append([what, *cells, f"{statistics.median(values[base]):.4g}"])
    heads = [head for server in servers[:-1] for head in (server.name, f"to {base}")]
    print(*report.table(["", *heads, base], rows), sep="\n")
    for server in servers:
        server.rpc.close()
        server.daemon.stop()


if __name__ == "__main__":
    main()
