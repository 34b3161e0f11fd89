# SPDX-License-Identifier: MIT
"""The GAP benchmark suite's PageRank kernels, from the sources in $GAPBS_DIR: compiles them with
kernels.cc around them. For the contender's run, and for bench/pagerank.py."""
import os
import shutil
import subprocess

import common

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ["-std=c++11", "-O3", "-march=native", "-fopenmp"]
FUNCTIONS = {"pr": "PageRankPullGS", "pr_spmv": "PageRankPull"}


def compile_all(scratch):
    """Why it cannot be, or None."""
    source = os.environ.get("GAPBS_DIR")
    if not source:
        return "GAPBS_DIR is not set"
    if not os.path.exists(os.path.join(source, "src", "pr_spmv.cc")):
        return f"{source} holds no GAPBS"
    if not shutil.which("g++"):
        return "g++ is not installed"
    include = os.path.join(source, "src")
    wrapper = os.path.join(HERE, "kernels.cc")
    for kernel, function in FUNCTIONS.items():
        why = common.compiled(
            os.path.join(scratch, f"gapbs-{kernel}"), wrapper,
            ["g++", *FLAGS, f"-I{include}", f'-DKERNEL_SOURCE="{kernel}.cc"',
             f"-DKERNEL={function}", "-o", os.path.join(scratch, f"gapbs-{kernel}"), wrapper])
        if why:
            return why
    converter = os.path.join(include, "converter.cc")
    return common.compiled(os.path.join(scratch, "gapbs-converter"), converter,
                           ["g++", *FLAGS, "-o", os.path.join(scratch, "gapbs-converter"),
                            converter])


def command(scratch, kernel, edges, iterations):
    """What runs a kernel on an edge list, which is converted to GAPBS's own format if need be."""
    graph = os.path.join(scratch, os.path.basename(edges) + ".sg")
    if not common.newer(graph, edges):
        subprocess.run([os.path.join(scratch, "gapbs-converter"), "-f", edges, "-b", graph],
                       stdout=subprocess.DEVNULL, check=True)
    return [os.path.join(scratch, f"gapbs-{kernel}"), "-f", graph, "-i", str(iterations)]
