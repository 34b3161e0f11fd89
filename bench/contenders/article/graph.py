# SPDX-License-Identifier: MIT
"""The article's graphs: graph.py N OUT writes one as an edge list. A seeded choice by numpy gives
every vertex about five links; one without any gets one to a vertex by chance. A link to itself is
none, as everywhere in this benchmark."""
import sys

import numpy


def generate(n):
    """The dense 0/1 matrix, row links to column."""
    numpy.random.seed(0)
    matrix = numpy.random.choice([0, 1], size=(n, n), p=[1 - 5 / n, 5 / n]).astype(numpy.float64)
    numpy.fill_diagonal(matrix, 0)
    for vertex in numpy.flatnonzero(matrix.sum(axis=1) == 0):
        other = numpy.random.randint(0, n - 1)
        matrix[vertex, other + (other >= vertex)] = 1
    return matrix


def main():
    n, path = int(sys.argv[1]), sys.argv[2]
    with open(path, "w", encoding="ascii") as out:
        out.writelines(f"{source} {target}\n"
                       for source, target in zip(*numpy.nonzero(generate(n))))


if __name__ == "__main__":
    main()
