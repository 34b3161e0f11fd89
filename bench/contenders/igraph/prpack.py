# SPDX-License-Identifier: MIT
"""igraph's C library: compiles prpack.c. For the contender's run, and for bench/pagerank.py."""
import os
import shutil
import subprocess

import common

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prpack.c")


def compile_it(scratch):
    """Why it cannot be, or None."""
    if not shutil.which("pkg-config"):
        return "pkg-config is not installed"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "igraph"], capture_output=True,
                           text=True, check=False)
    if flags.returncode != 0:
        return "libigraph-dev is not installed"
    program = os.path.join(scratch, "igraph-prpack")
    return common.compiled(program, SOURCE, ["gcc", "-O2", "-std=gnu17", "-o", program, SOURCE,
                                             *flags.stdout.split(), "-lm"])


def command(scratch, csr, damping):
    """What ranks a CSR file."""
    return [os.path.join(scratch, "igraph-prpack"), csr, str(damping)]
