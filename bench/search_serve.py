#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Full-text search over the socket, server and client on the same processors:

* what socket, rings and MessagePack add to a search: median latency with one connection in a closed
  loop, less the median time of the same searches in a process of their own (bench/inprocess.c),
  and beside it a bare echo of 64 bytes through such a socket; the time that one worker takes for each
  when it always has one to do, and the processor time that worker and coordinator take for it, less
  the same searches' processor time in a process of their own;
* what ten snippets add to a search, by the worker's own clock, its passages cached;
* two workers against one: searches for the words of 10, 30 and 100 queries at once that score every
  page. Client and coordinator, on the same processors, need as long for each of them, so that the
  longest show what the workers can do; beside it two daemons of one worker each, at once, which have
  nothing to do with each other: what the machine gives;
* suggestions (`prefix`, of 1 to 8 letters) while both workers are busy with the shortest of these: at
  a fixed rate, latency from when each was due.

The real wiki and queries of ../shared/data (or $FORKLORE_DATA), without those that have a word that
the wiki lacks, else a generated one. Turns are interleaved; medians, with the goals beside them.

    bench/search_serve.py [--rounds N] [--seconds S] [--rate R]"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys

import msgpack

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests"))
import machine  # noqa: E402
import report  # noqa: E402
from harness import (BUILD, DATA, FORKLORED, Connection, Daemon, build_index,  # noqa: E402
                     children, scratch, synthetic_index, wait_for)

LOAD, INPROCESS, ECHO = (os.path.join(BUILD, "bench", name) for name in ("load", "inprocess", "echo"))
DUMP = os.path.join(DATA, "wikispeedia-pages-articles-multistream.xml.bz2")
QUERIES = os.path.join(DATA, "queries.jsonl")
WORDS_OF = (10, 30, 100)  # queries, in one slow search
BUSY_CONNECTIONS = 4  # two searches for each worker: none is ever idle


def prepare():
    """An index, and queries that it answers."""
    if os.path.exists(DUMP) and os.path.exists(QUERIES):
        index = os.path.join(BUILD, "bench", "wikispeedia.flk")
        if not os.path.exists(index) or os.path.getmtime(index) < os.path.getmtime(FORKLORED):
            os.makedirs(os.path.dirname(index), exist_ok=True)
            build_index(DUMP, index)
        with open(QUERIES, encoding="utf-8") as lines:
            return index, known(index, [json.loads(line)["query"] for line in lines])
    index = synthetic_index(20000)
    return index, some_titles(index, 300)


def known(index, queries):
    """Those without a word that the index lacks: looking for a better one is another matter."""
    with Daemon(index, "--quiet") as daemon, Connection(daemon.path) as rpc:
        words = {word for query in queries for word in re.findall(r"\w+", query)}
        missing = {word for word in words if rpc.call("search", word, 0)["hits"] == 0}
        return [query for query in queries if missing.isdisjoint(re.findall(r"\w+", query))]


def some_titles(index, count):
    with Daemon(index, "--quiet") as daemon, Connection(daemon.path) as rpc:
        random.seed(1)
        return [rpc.call("random", random.getrandbits(32))["title"] for _ in range(count)]


def slow_requests(queries, words_of):
    """Searches for the words of so many queries each, going on by ten."""
    many = [" ".join(re.findall(r"\w+", " ".join(queries[i:i + words_of])))
            for i in range(0, max(1, len(queries) - words_of + 1), 10)]
    return write_requests(f"slow{words_of}", many, exact_hits=True)


def write_requests(name, queries, **options):
    path = os.path.join(scratch(), name)
    with open(path, "wb") as out:
        for query in queries:
            out.write(b"\x94\x00\xce\x80\0\0\0" + msgpack.packb("search") +
                      msgpack.packb([{"query": query, "snippets": False, "rank": "bm25",
                                      **options}]))
    return path


def run(*command):
    return json.loads(subprocess.run([*map(str, command)], stdout=subprocess.PIPE, check=True,
                                     text=True).stdout)


def together(*commands):
    """All at once; their rates, added."""
    running = [subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
               for command in commands]
    return sum(json.loads(process.communicate()[0])["per_second"] for process in running)


def took(connection, queries, snippets):
    """The worker's time for each search, us: the better of two."""
    def ask(query):
        return connection.call("search", {"query": query, "rank": "bm25",
                                          "snippets": snippets})["took_us"]
    return [min(ask(query), ask(query)) for query in queries]


def middle(rows):
    return statistics.median(rows)


def spread(rows, digits):
    rows = list(rows)
    return f"{middle(rows):.{digits}f} ({min(rows):.{digits}f} to {max(rows):.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rate", type=float, default=500)
    args = parser.parse_args()
    index, queries = prepare()
    quick = write_requests("quick", queries)
    slow = {words_of: slow_requests(queries, words_of) for words_of in WORDS_OF}
    prefixes = os.path.join(scratch(), "prefixes")
    with open(prefixes, "w", encoding="utf-8") as out:
        out.writelines(title[:1 + i % 8] + "\n" for i, title in enumerate(some_titles(index, 1000)))

    daemons = {n: Daemon(index, "--quiet", "--workers", f"processes:{n}") for n in (1, 2)}
    twin = Daemon(index, "--quiet", "--workers", "processes:1")
    echo_path = os.path.join(scratch(), "echo")
    echo = subprocess.Popen([ECHO, echo_path])
    wait_for(lambda: os.path.exists(echo_path), "the echo server's start")
    seconds = ("-s", args.seconds)
    alone, added, echoed, cost, used, packed, idle, busy, searches = ([] for _ in range(9))
    bare, shown = [], []  # a list by query each
    lasts, speedup, limit = ({words_of: [] for words_of in WORDS_OF} for _ in range(3))
    for _ in range(args.rounds):
        inside = run(INPROCESS, index, quick, args.seconds)
        socket = run(LOAD, "frames", daemons[1].path, quick, "-c", 1, *seconds)["p50_us"]
        alone.append(inside["search_us"])
        packed.append(inside["whole_us"] - inside["search_us"])
        added.append(socket - inside["search_us"])
        pids = [daemons[1].process.pid, *children(daemons[1].process.pid)]
        used_ns = machine.processor_ns(pids)
        many = run(LOAD, "frames", daemons[1].path, quick, "-c", 8, *seconds, "-w", 0)
        used_us = (machine.processor_ns(pids) - used_ns) / 1e3 / many["answers"]
        used.append(used_us - inside["processor_us"])
        cost.append(1e6 / many["per_second"] - inside["processor_us"])
        with daemons[1].connect() as connection:
            bare.append(took(connection, queries, False))
            shown.append(took(connection, queries, True))
        echoed.append(run(LOAD, "echo", echo_path, prefixes, "-c", 1, *seconds)["p50_us"])
        for words_of, requests in slow.items():
            searching = {d.path: (LOAD, "frames", d.path, requests, "-c", 2 * BUSY_CONNECTIONS,
                                  *seconds) for d in (*daemons.values(), twin)}
            one = together(searching[daemons[1].path])
            lasts[words_of].append(1e6 / one)
            speedup[words_of].append(together(searching[daemons[2].path]) / one)
            limit[words_of].append(together(searching[daemons[1].path], searching[twin.path]) / one)
        prefix = (LOAD, "rpc", daemons[2].path, prefixes, "-m", "prefix", "-r", args.rate, "-c", 4,
                  "-p", 64)
        idle.append(run(*prefix, *seconds))
        with subprocess.Popen([*map(str, (LOAD, "frames", daemons[2].path, slow[WORDS_OF[0]], "-c",
                                          BUSY_CONNECTIONS, "-s", args.seconds + 1))],
                              stdout=subprocess.PIPE, text=True) as others:
            busy.append(run(*prefix, *seconds, "-w", 0.5))
            searches.append(json.loads(others.communicate()[0])["per_second"])

    print(machine.line())
    print(f"{len(queries)} queries of {os.path.basename(index)}, first ten by BM25; {args.rounds} "
          f"rounds of {args.seconds:g} s; load average at the end {os.getloadavg()[0]:.2f}\n")
    what = "socket, rings and MessagePack add"
    rows = [["a search in process, us", spread(alone, 1), "", ""],
            [f"{what}: latency, us", spread(added, 1), "< 15", report.goal(middle(added) < 15)],
            ["of which MessagePack in and out, us", spread(packed, 1), "", ""],
            ["a bare echo, us", spread(echoed, 1), "", ""],
            ["a search by the worker's clock, mean us", spread(map(statistics.mean, bare), 1), "", ""],
            ["the same with ten snippets, mean us", spread(map(statistics.mean, shown), 1), "", ""],
            [f"{what}: time of a busy worker, us", spread(cost, 1), "< 15",
             report.goal(middle(cost) < 15)],
            [f"{what}: processor time of worker and coordinator, us", spread(used, 1), "", ""]]
    for words_of in WORDS_OF:
        of = f"searches of {middle(lasts[words_of]):.0f} us"
        goal = ["", ""]
        if words_of == WORDS_OF[-1]:
            goal = [">= 1.9", report.goal(middle(speedup[words_of]) >= 1.9)]
        rows.append([f"2 workers to 1, {of}", spread(speedup[words_of], 2), *goal])
        rows.append([f"2 daemons of 1 worker each to 1, {of}", spread(limit[words_of], 2), "", ""])
    for what, results in (("nothing else", idle), ("both workers searching", busy)):
        for key in ("p50_us", "p99_us", "p999_us"):
            values = [result[key] for result in results]
            goal = ["", ""]
            if results is busy and key == "p99_us":
                goal = ["< 1000", report.goal(middle(values) < 1000)]
            rows.append([f"prefix at {args.rate:g}/s, {what}: {key[:-3]}, us", spread(values, 0),
                         *goal])
    rows.append(["searches a second meanwhile", spread(searches, 0), "", ""])
    print(*report.table(["", "median (least to most)", "goal", ""], rows), sep="\n")
    for daemon in (*daemons.values(), twin):
        daemon.stop()
    echo.terminate()


if __name__ == "__main__":
    main()
