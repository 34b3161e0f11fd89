# SPDX-License-Identifier: MIT
"""What the contenders written in Python share: the request, the answer, the graph file and the
loop over repetitions. docs/contenders.md is the contract; a contender needs none of this."""
import hashlib
import json
import os
import subprocess
import sys
import time
from array import array

# In numpy, sorting more links than that takes longer than all else here.
NUMPY_LINKS_MAX = 10_000_000
MAGIC = b"FLKCSR1\n"


def request():
    return json.load(sys.stdin)


def answer(**fields):
    """Prints the answer and ends the program."""
    print(json.dumps(fields), flush=True)
    sys.exit(0)


def checksum(scores):
    """Of scores as bytes of little-endian doubles."""
    return hashlib.sha256(scores).hexdigest()[:16]


def write_scores(asked, scores):
    """Bytes of doubles, in the graph's order, to where they are checked; their checksum."""
    with open(asked["scores"], "wb") as out:
        out.write(scores)
    return checksum(scores)


def repeat(asked, function):
    """Calls function() as often as asked; what it returned last, and the seconds of each call."""
    for _ in range(asked["warmups"]):
        function()
    seconds, result = [], None
    for _ in range(asked["repetitions"]):
        before = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - before)
    return result, seconds


def run_by_lines(asked, command, tolerance):
    """A turn of a program that says something of itself in a line of JSON, then answers each line
    of its standard input with one:
        run TOLERANCE  ranks; {"run_s": seconds}
        scores FILE    writes what it found last, as little-endian doubles; {}
    The seconds of the repetitions, the checksum of the scores, and what it said of itself."""
    runs = asked["warmups"] + asked["repetitions"]
    lines = f"run {tolerance}\n" * runs + f"scores {asked['scores']}\n"
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    about, *answers = (json.loads(line) for line in done.stdout.splitlines()
                       if line.startswith("{"))
    with open(asked["scores"], "rb") as scores:
        found = checksum(scores.read())
    return [one["run_s"] for one in answers[asked["warmups"]:runs]], found, about


def read_csr(path):
    """n, offsets and targets as arrays, without numpy."""
    with open(path, "rb") as graph:
        if graph.read(8) != MAGIC:
            raise SystemExit(f"{path}: not a CSR file")
        n, m, _ = array("Q", graph.read(24))
        offsets, targets = array("Q"), array("I")
        offsets.fromfile(graph, n + 1)
        targets.fromfile(graph, m)
    return n, offsets, targets


def numpy_csr(path):
    """The same with numpy."""
    import numpy  # pylint: disable=import-outside-toplevel
    with open(path, "rb") as graph:
        if graph.read(8) != MAGIC:
            raise SystemExit(f"{path}: not a CSR file")
        n, m, _ = (int(x) for x in numpy.fromfile(graph, numpy.uint64, 3))
        return n, numpy.fromfile(graph, numpy.uint64, n + 1), numpy.fromfile(graph, numpy.uint32, m)


def incoming_csr(path):
    """n, offsets and sources of the links into each vertex, number of links out of each."""
    import numpy  # pylint: disable=import-outside-toplevel
    n, offsets, targets = numpy_csr(path)
    degrees = numpy.diff(offsets.astype(numpy.int64))
    sources = numpy.repeat(numpy.arange(n, dtype=numpy.int32), degrees)
    order = numpy.argsort(targets, kind="stable")
    counts = numpy.bincount(targets, minlength=n)
    return n, numpy.concatenate(([0], numpy.cumsum(counts))), sources[order], degrees


def newer(path, *sources):
    """Whether `path` was made after all of its sources."""
    return os.path.exists(path) and all(os.path.getmtime(path) >= os.path.getmtime(source)
                                        for source in sources)


def compiled(program, source, command):
    """Compiles if need be; why that failed, or None."""
    if newer(program, source):
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    return f"does not compile: {(lines or ['?'])[0]}"
