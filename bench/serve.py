#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Requests over a unix socket, closed loop, server and client on the same processors: `lookup` of
random titles at forklored with two workers as processes and as threads, GET of the same keys with
64-byte values at redis-server (without persistence; left out where it is not installed), and a
bare io_uring echo of 64 bytes. One load generator for all (bench/load.c), which checks every
answer. Servers take turns, round by round; medians, and ratios to Redis round by round.

System calls are counted in runs of their own (perf stat, where permitted; it slows what it
counts), wake-ups by the daemon's own counters, processor time by the kernel. The goals: as many
requests a second as Redis at least, and a 99th percentile that is no worse.

    bench/serve.py [--rounds N] [--seconds S] [--connections N] [--pages N] [--method M]
                   [--rate R]     (open loop too: R requests a second, latency from when due)"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import machine  # noqa: E402
import report  # noqa: E402
from harness import BUILD, Connection, Daemon, scratch, synthetic_index  # noqa: E402

LOAD = os.path.join(BUILD, "bench", "load")
ECHO = os.path.join(BUILD, "bench", "echo")
PIPELINES = (1, 16)
GOAL_OF = "forklore, processes"


class Forklore:
    protocol = "rpc"

    def __init__(self, index, mode):
        self.name = f"forklore, {mode}"
        self.daemon = Daemon(index, "--quiet", "--workers", f"{mode}:2")
        self.path = self.daemon.path
        self.rpc = self.daemon.connect()

    def counters(self):
        status = self.rpc.call("status")
        return {**status["loop"], "answered": status["queue"]["answered"]}

    def pids(self):
        status = self.rpc.call("status")
        return sorted({status["pid"], *(worker["pid"] for worker in status["workers"])})

    def stop(self):
        self.rpc.close()
        self.daemon.stop()


class Program:
    """A server that is one process on one socket."""

    def __init__(self, name, protocol, path, arguments):
        self.name, self.protocol, self.path = name, protocol, path
        self.process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not os.path.exists(path):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{name} does not start")
            time.sleep(0.02)

    def counters(self):
        return None

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def write_titles(path, daemon_path, count):
    with Connection(daemon_path) as rpc:
        titles, cursor = [], 0
        while cursor is not None:
            piece = rpc.call("export", "titles", cursor, 10000)
            titles += [row[0] for row in piece["rows"]]
            cursor = piece["next"]
    random.seed(1)
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(f"{title}\n" for title in random.sample(titles, min(count, len(titles))))


def load(server, titles, *options):
    done = subprocess.run([LOAD, server.protocol, server.path, titles, *map(str, options)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{server.name}: {done.stderr}")
    return json.loads(done.stdout)


def count_calls(server, titles, options):
    """System calls of the server per request, None where they cannot be counted."""
    if not shutil.which("perf"):
        return None
    counted = subprocess.Popen(
        ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
         ",".join(map(str, server.pids()))],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)
    result = load(server, titles, *options, "-w", 0)
    counted.send_signal(2)
    field = counted.communicate()[1].strip().split("\n")[-1].split(",")[0]
    return int(field) / result["answers"] if field.isdigit() else None


def median_of(results, key):
    return statistics.median(result[key] for result in results)


def show(value, digits):
    return None if value is None else f"{value:.{digits}f}"


def compare(servers, results, counts, pipeline, base):
    """Prints a table; returns goals: what, ratio, goal, whether it is met."""
    verdicts, rows = [], []
    for server in servers:
        mine = results[server.name, pipeline]
        rates = [result["per_second"] / 1e3 for result in mine]
        ratio = tail = None
        if base:
            theirs = results[base.name, pipeline]
            ratio = statistics.median(a["per_second"] / b["per_second"]
                                      for a, b in zip(mine, theirs))
            tail = statistics.median(a["p99_us"] / b["p99_us"] for a, b in zip(mine, theirs))
            if server.name == GOAL_OF:
                verdicts.append((f"pipeline {pipeline}: k/s to Redis", ratio, ">= 1", ratio >= 1))
                verdicts.append((f"pipeline {pipeline}: p99 to Redis", tail, "<= 1", tail <= 1))
        calls = counts.get((server.name, pipeline))
        wakeups, sleeps = (median_of(mine, key) if key in mine[0] else None
                           for key in ("wakeups", "sleeps"))
        rows.append([server.name, show(statistics.median(rates), 0),
                     f"{min(rates):.0f} to {max(rates):.0f}",
                     *(show(median_of(mine, key), 0) for key in ("p50_us", "p99_us", "p999_us")),
                     show(ratio, 2), show(tail, 2), show(median_of(mine, "answer_bytes"), 0),
                     show(median_of(mine, "processor_us"), 2), show(calls, 3), show(wakeups, 4),
                     show(sleeps, 4)])
    print(*report.table([f"pipeline {pipeline}", "k/s", "spread", "p50 us", "p99 us", "p99.9 us",
                         "k/s to Redis", "p99 to Redis", "answer bytes", "processor us",
                         "system calls", "wake-ups", "sleeps"], rows), sep="\n")
    return verdicts


def one_run(server, titles, args, pipeline, *more):
    before, used_ns = server.counters(), machine.processor_ns(server.pids())
    result = load(server, titles, "-c", args.connections, "-p", pipeline, "-s", args.seconds,
                  "-m", args.method, "-w", 0, *more)
    result["processor_us"] = (machine.processor_ns(server.pids()) - used_ns) / 1e3 / result["answers"]
    if before:
        after = server.counters()
        answered = after["answered"] - before["answered"]
        for key in ("wakeups", "sleeps"):
            result[key] = (after[key] - before[key]) / answered
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--pages", type=int, default=20000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--method", default="lookup")
    parser.add_argument("--rate", type=float)
    args = parser.parse_args()

    index = synthetic_index(args.pages)
    servers = [Forklore(index, "processes"), Forklore(index, "threads")]
    redis = None
    if shutil.which("redis-server"):
        path = os.path.join(scratch(), "redis")
        redis = Program("Redis, GET", "resp", path,
                        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                         "--appendonly", "no"])
        servers.append(redis)
    path = os.path.join(scratch(), "echo")
    servers.append(Program("io_uring echo", "echo", path, [ECHO, path]))
    titles = os.path.join(scratch(), "titles")
    write_titles(titles, servers[0].path, args.keys)

    print(machine.line())
    print(f"{args.connections} connections, {args.rounds} rounds of {args.seconds:g} s, "
          f"{args.method} of {args.keys} titles of {args.pages} pages, each server in turn")
    results = {}
    for _ in range(args.rounds):
        for pipeline in PIPELINES:
            for server in servers:
                results.setdefault((server.name, pipeline), []).append(
                    one_run(server, titles, args, pipeline))
    counts = {(server.name, pipeline): count_calls(server, titles,
                                                   ["-c", args.connections, "-p", pipeline])
              for pipeline in PIPELINES for server in servers}
    print(f"load average at the end {os.getloadavg()[0]:.2f}; per request: processor time and "
          "system calls (of all the server's processes), wake-ups of workers, sleeps of the "
          "coordinator\n")
    verdicts = []
    for pipeline in PIPELINES:
        verdicts += compare(servers, results, counts, pipeline, redis)
    if verdicts:
        print(*report.table([GOAL_OF, "median ratio", "goal", ""],
                            [[what, f"{ratio:.2f}", goal, report.goal(holds)]
                             for what, ratio, goal, holds in verdicts]), sep="\n")
    if args.rate:
        results = {(server.name, 64): [one_run(server, titles, args, 64, "-r", args.rate)
                                       for _ in range(args.rounds)] for server in servers}
        print(f"open loop, {args.rate:g} requests a second, latency from when each was due:\n")
        compare(servers, results, {}, 64, redis)
    for server in servers:
        server.stop()


if __name__ == "__main__":
    main()
