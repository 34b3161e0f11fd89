# SPDX-License-Identifier: MIT
"""The graphs that contenders rank: made or read once, kept in build/bench/graphs, each as an edge
list, as a CSR file and as a forklore index, with the scores that every result is checked against.
docs/contenders.md has the formats."""
import array
import functools
import gzip
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, os.environ.get("FORKLORE_BUILD", "build"))
DATA = os.environ.get("FORKLORE_DATA") or os.path.join(ROOT, "..", "shared", "data")
DAMPING = 0.85
ARTICLE_ITERATIONS, GRAPH_ITERATIONS = 10, 20


class Missing(Exception):
    """Why a workload cannot be had here."""


def command(*words, **options):
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise Missing(f"{os.path.basename(words[0])} {words[1]}: {done.stderr.strip()[-300:]}")


def article(size, path):
    for python in ("/usr/bin/python3", sys.executable):
        if subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0:
            command(python, os.path.join(HERE, "contenders", "article", "graph.py"), str(size),
                    path)
            return
    raise Missing("the article's generator needs numpy")


def synthetic(kind, scale, path):
    command(os.path.join(BUILD, "forklored"), "generate", kind, "--scale", str(scale), "-o", path)


def wikispeedia(path):
    source = os.path.join(DATA, "wikispeedia.links.tsv.gz")
    if not os.path.exists(source):
        raise Missing("wikispeedia's links are not there (FORKLORE_DATA says where to look)")
    numbers = {}
    with gzip.open(source, "rt", encoding="utf-8") as links, open(path, "w",
                                                                  encoding="ascii") as out:
        for line in links:
            if line.startswith("#") or "\t" not in line:
                continue
            ends = [numbers.setdefault(title, len(numbers))
                    for title in line.rstrip("\n").split("\t")[:2]]
            out.write(f"{ends[0]} {ends[1]}\n")


def write_csr(path, rows, dangling):
    offsets, targets = array.array("Q", [0]), array.array("I")
    for row in rows:
        targets.extend(row)
        offsets.append(len(targets))
    with open(path, "wb") as out:
        out.write(b"FLKCSR1\n")
        array.array("Q", [len(rows), len(targets), dangling]).tofile(out)
        offsets.tofile(out)
        targets.tofile(out)


def from_index(index, base):
    """Exports an index through a daemon of its own; the number of isolated vertices."""
    forklore = os.path.join(BUILD, "forklore")
    with tempfile.TemporaryDirectory(prefix="forklore-bench.") as folder:
        export(index, base, os.path.join(folder, "socket"), forklore)
    return read_exported(base)


def export(index, base, socket, forklore):
    """BASE.scores and BASE.links."""
    with subprocess.Popen([os.path.join(BUILD, "forklored"), "--quiet", "--socket", socket,
                           "--index", index]) as daemon:
        try:
            deadline = time.monotonic() + 120
            while subprocess.run([forklore, "-s", socket, "ping"], capture_output=True,
                                 check=False).returncode != 0:
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise Missing(f"{index} cannot be served")
                time.sleep(0.05)
            for what in ("scores", "links"):
                command(forklore, "-s", socket, "export", what, "-o", f"{base}.{what}")
        finally:
            daemon.terminate()


def read_exported(base):
    """Writes edges, CSR and names; the number of isolated vertices."""
    with open(base + ".scores", encoding="utf-8") as scores:
        names = [line.rstrip("\n").split("\t", 1)[1] for line in scores]
    numbers = {name: i for i, name in enumerate(names)}
    rows = [[] for _ in names]
    with open(base + ".links", encoding="utf-8") as links, open(base + ".el", "w",
                                                                encoding="ascii") as edges:
        for line in links:
            source, target = (numbers[title] for title in line.rstrip("\n").split("\t"))
            rows[source].append(target)
            edges.write(f"{source} {target}\n")
    with open(base + ".names", "w", encoding="utf-8") as out:
        out.writelines(name + "\n" for name in names)
    write_csr(base + ".csr", [sorted(row) for row in rows], sum(not row for row in rows))
    linked = {target for row in rows for target in row}
    return sum(not row and i not in linked for i, row in enumerate(rows))


def header(path):
    with open(path, "rb") as graph:
        if graph.read(8) != b"FLKCSR1\n":
            raise Missing(f"{path} is no CSR file")
        return array.array("Q", graph.read(24))


@functools.lru_cache(maxsize=None)
def prepare(name, folder):
    """The workload's description, its files made where they are missing. Names: article-N,
    kronecker-S, uniform-S, wikispeedia, or the path of an index."""
    os.makedirs(folder, exist_ok=True)
    reference = os.path.join(BUILD, "bench", "reference")
    kind, _, number = name.partition("-")
    index_given = name.endswith(".flk")
    title = os.path.basename(name)
    base = os.path.join(folder, title)
    index, names, isolated, build_seconds = base + ".flk", None, 0, None
    if index_given:
        index, names = os.path.abspath(name), base + ".names"
        isolated = from_index(index, base)
    else:
        if not os.path.exists(base + ".csr"):
            raw = base + ".raw"
            if kind == "article":
                article(int(number), raw)
            elif kind in ("kronecker", "uniform"):
                synthetic(kind, int(number), raw)
            elif kind == "wikispeedia":
                wikispeedia(raw)
            else:
                raise Missing(f"no workload is called {name}")
            command(reference, "convert", raw, base + ".csr.new", base + ".el")
            os.remove(raw)
            os.rename(base + ".csr.new", base + ".csr")
        # Anew for every run: the layout may have changed, and building is worth a time.
        before = time.monotonic()
        command(os.path.join(BUILD, "forklored"), "build", "-q", "--edges", base + ".el", "-o",
                index)
        build_seconds = round(time.monotonic() - before, 3)
    n, m, dangling = header(base + ".csr")
    iterations = ARTICLE_ITERATIONS if kind == "article" else GRAPH_ITERATIONS
    expected = {"iterations": f"{base}.{iterations}.f64", "limit": f"{base}.limit.f64"}
    for solves, path in expected.items():
        if index_given or not os.path.exists(path):
            command(reference, "rank", base + ".csr",
                    str(iterations if solves == "iterations" else 0), str(DAMPING), path)
    return {"name": title, "kind": kind if kind == "article" else "graph", "n": n, "m": m,
            "dangling": dangling, "isolated": isolated, "iterations": iterations,
            "damping": DAMPING, "edges": base + ".el", "csr": base + ".csr", "index": index,
            "names": names, "index_build_seconds": build_seconds, "expected": expected}


def l1_error(path, expected_path):
    """Sum of differences between two files of doubles, None if they differ in length."""
    found, expected = array.array("d"), array.array("d")
    for numbers, where in ((found, path), (expected, expected_path)):
        with open(where, "rb") as file:
            numbers.frombytes(file.read())
    if len(found) != len(expected):
        return None
    return sum(abs(a - b) for a, b in zip(found, expected))
