#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Time to an L1 error of 1e-6, interleaved with other systems: forklore with 2 processes and rings,
its other cells, GAPBS pr and pr_spmv (with GAPBS_DIR set to their folder) and igraph's PRPACK
(where libigraph is installed). Every result is checked against float64 scores before its time
counts; the tolerance of each system is the loosest of a ladder that reaches the error.

    bench/pagerank.py [--graphs kronecker-20,uniform-20,...|FILE.el] [--rounds N] [--folder DIR]"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.path.join(ROOT, os.environ.get("FORKLORE_BUILD", "build"))
FORKLORED = os.path.join(BUILD, "forklored")
ERROR = 1e-6
LADDER = [m * 10.0 ** -e for e in (4, 5, 6, 7) for m in (4, 2, 1)]
HOME = "processes ring 2 single"
CELLS = [HOME, "processes shared 2 single", "threads ring 2 single", "threads shared 2 single",
         "processes ring 1 single", "processes ring 4 single", "processes ring 8 single",
         "processes ring 2 double"]


class Program:
    """A program that answers each line with one line of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=dict(os.environ, OMP_NUM_THREADS="2"))
        self.about = self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.process.args[0]} has ended")

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Other:
    """Another system: its scores come in a file, and forklore's program checks them."""

    def __init__(self, name, program, judge, scores):
        self.name, self.program, self.judge, self.scores = name, program, judge, scores

    def run(self, tolerance):
        result = self.program.ask(f"run {tolerance} {self.scores}")
        return dict(result, error=self.judge.ask(f"error {self.scores}")["error"])


class Cell:
    def __init__(self, name, program):
        self.name, self.program = name, program

    def run(self, tolerance):
        return self.program.ask(f"run {self.name} {tolerance}")


def compile_gapbs(folder):
    source = os.environ.get("GAPBS_DIR")
    for kernel, flags in (("pr", ["-DGAUSS_SEIDEL"]), ("pr_spmv", [])):
        program = os.path.join(folder, kernel)
        if source:
            subprocess.run(["g++", "-std=c++11", "-O3", "-fopenmp", *flags,
                            f"-DKERNEL=\"{kernel}.cc\"", "-I", os.path.join(source, "src"),
                            os.path.join(ROOT, "bench", "pagerank_gapbs.cc"), "-o", program],
                           check=True)
            yield kernel, program


def compile_igraph(folder):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "igraph"], capture_output=True,
                           text=True, check=False)
    program = os.path.join(folder, "prpack")
    if flags.returncode == 0:
        subprocess.run(["cc", "-O2", os.path.join(ROOT, "bench", "pagerank_igraph.c"), "-o",
                        program, *flags.stdout.split()], check=True)
        return program
    return None


def prepare(graph, folder):
    """The edge list, without comments for those who cannot read them, and the index."""
    edges = graph if os.path.exists(graph) else os.path.join(folder, graph + ".el")
    index = os.path.join(folder, os.path.basename(graph) + ".flk")
    if not os.path.exists(edges):
        family, scale = graph.rsplit("-", 1)
        made = subprocess.Popen([FORKLORED, "generate", family, "--scale", scale],
                                stdout=subprocess.PIPE)
        with open(edges, "wb") as out:
            subprocess.run(["grep", "-v", "^#"], stdin=made.stdout, stdout=out, check=True)
    done = subprocess.run([FORKLORED, "build", "--edges", "-q", "--json", "-o", index, edges],
                          stdout=subprocess.PIPE, check=True)
    return edges, index, json.loads(done.stdout)


def settle(system):
    """The loosest tolerance that reaches the error."""
    for tolerance in LADDER:
        if system.run(tolerance)["error"] <= ERROR:
            return tolerance
    raise SystemExit(f"{system.name} does not reach {ERROR}")


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def steal_ticks():
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8])


def report(graph, links, results, build, limits):
    home = results[HOME][1]
    print(f"\n{graph}: {links:,} links; layout {build['seconds']['layout']:.2f} s, "
          f"{sum(b for k, b in build['sections'].items() if k.startswith('spmv')) / links:.2f} "
          f"bytes a link")
    print(f"  {'system':28} {'ms':>8} {'/ ours':>22} {'its':>4} {'ns*':>6} {'wait':>5} "
          f"{'job ms':>7} {'error':>8} {'tolerance':>9}")
    for name, (tolerance, runs) in results.items():
        ms = statistics.median(r["run_s"] for r in runs) * 1e3
        pairs = [r["run_s"] / h["run_s"] for r, h in zip(runs, home)]
        line = f"  {name:28} {ms:8.1f} {spread(pairs):>22}"
        if "iterations" in runs[0]:
            workers = int(name.split()[2])
            cores = min(workers, os.cpu_count())
            ns = ms * 1e6 * cores / links / runs[0]["iterations"]
            wait = statistics.median(r["wait_s"] / r["run_s"] for r in runs) / workers
            job = statistics.median(r["job_s"] for r in runs) * 1e3
            line += f" {runs[0]['iterations']:4} {ns:6.2f} {wait:5.0%} {job:7.0f}"
        else:
            line += " " * 26
        print(f"{line} {runs[0]['error']:8.1e} {tolerance:9.0e}")
    others = [runs for name, (_, runs) in results.items() if name not in CELLS]
    if others:
        saved = min(statistics.median(r["run_s"] for r in runs) for runs in others) - \
            statistics.median(r["run_s"] for r in home)
        if saved > 0:
            print(f"  the layout is paid back by {build['seconds']['layout'] / saved:.1f} runs")
    per = home[0]["iterations"]
    print(f"  * per link, iteration and core. A worker sends {home[0]['bytes'] / 2 / per:,.0f} "
          f"bytes an iteration. One core reads {limits['read_gb_s']} GB/s; a random read of 4 bytes"
          f" takes {limits['gather_32k_ns']} ns from 32 KiB, {limits['gather_128k_ns']} from 128 "
          f"KiB, {limits['gather_all_ns']} from {limits['all_bytes'] >> 10:,} KiB")


def measure(graph, options):
    edges, index, build = prepare(graph, options.folder)
    ours = Program(os.path.join(BUILD, "bench", "pagerank"), index)
    systems = [Cell(name, ours) for name in CELLS]
    scores = os.path.join(options.folder, "scores.f32")
    for kernel, program in compile_gapbs(options.folder):
        systems.append(Other(f"GAPBS {kernel}, 2 threads", Program(program, "-f", edges), ours,
                             scores))
    prpack = compile_igraph(options.folder) if options.igraph else None
    if prpack:
        systems.append(Other("igraph PRPACK", Program(prpack, edges), ours, scores))
    single = settle(systems[0])
    tolerances = {s.name: single if isinstance(s, Cell) else settle(s) for s in systems}
    runs = {s.name: [] for s in systems}
    limits = ours.ask("limits")
    for _ in range(options.rounds):
        for system in systems:
            result = system.run(tolerances[system.name])
            if result["error"] > ERROR * (1 if system.name in (HOME,) else 1.05):
                raise SystemExit(f"{system.name}: error {result['error']}")
            runs[system.name].append(result)
    bits = {r["bits"] for name in CELLS[:-1] for r in runs[name]}
    if len(bits) != 1:
        raise SystemExit(f"{graph}: cells differ in their bits: {bits}")
    report(graph, ours.about["links"], {n: (tolerances[n], r) for n, r in runs.items()}, build,
           limits)
    for program in {s.program for s in systems}:
        program.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", default="kronecker-20,uniform-20")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", default="/var/tmp/forklore-bench")
    parser.add_argument("--no-igraph", dest="igraph", action="store_false")
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpu = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    before = steal_ticks()
    print(f"commit {commit or '?'}, {os.cpu_count()} x {cpu}, Linux {platform.release()}, "
          f"load {os.getloadavg()[0]:.2f}")
    for graph in options.graphs.split(","):
        measure(graph, options)
        sys.stdout.flush()
    print(f"load {os.getloadavg()[0]:.2f}, {steal_ticks() - before} ticks stolen")


if __name__ == "__main__":
    main()
