# SPDX-License-Identifier: MIT
"""The article's three algorithms, written anew from its description, and two put right: a dense
matrix in numpy and a Python loop over vertices. One repetition includes threads and pools."""
import concurrent.futures
import multiprocessing
import os
import sys
import threading

import numpy

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import common  # noqa: E402  pylint: disable=wrong-import-position

CHUNKS = 8


def chunk(matrix, out_links, scores, begin, end):
    """What flows into the vertices begin to end."""
    flow = numpy.zeros(end - begin)
    for vertex in range(begin, end):
        for source in numpy.where(matrix[:, vertex])[0]:
            flow[vertex - begin] += scores[source] / out_links[source]
    return flow


def bounds(n, chunks):
    return [(n * i // chunks, n * (i + 1) // chunks) for i in range(chunks)]


def damped(flow, damping):
    return (1 - damping) / len(flow) + damping * flow


def single(matrix, iterations, damping):
    n, out_links = len(matrix), matrix.sum(axis=1)
    scores = numpy.full(n, 1 / n)
    for _ in range(iterations):
        scores = damped(chunk(matrix, out_links, scores, 0, n), damping)
    return scores


def threads(matrix, iterations, damping):
    """Every iteration starts its threads, and they add what they found behind a lock."""
    n, out_links = len(matrix), matrix.sum(axis=1)
    scores, lock = numpy.full(n, 1 / n), threading.Lock()
    for _ in range(iterations):
        flow = numpy.zeros(n)

        def add(begin, end, current=scores, total=flow):
            mine = chunk(matrix, out_links, current, begin, end)
            with lock:
                total[begin:end] += mine

        team = [threading.Thread(target=add, args=part) for part in bounds(n, CHUNKS)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
        scores = damped(flow, damping)
    return scores


def pickled_chunk(task):
    return chunk(*task)


def processes(matrix, iterations, damping):
    """As published: the tasks hold the matrix and the scores of the beginning, and are made once;
    each of the pools is sent all of them. What comes out is the first iteration."""
    n, out_links = len(matrix), matrix.sum(axis=1)
    initial = numpy.full(n, 1 / n)
    tasks = [(matrix, out_links, initial, begin, end) for begin, end in bounds(n, CHUNKS)]
    scores = initial
    for _ in range(iterations):
        with multiprocessing.Pool(CHUNKS) as pool:
            scores = damped(numpy.concatenate(pool.map(pickled_chunk, tasks)), damping)
    return scores


def threads_proper(matrix, iterations, damping):
    """One pool for all iterations; every thread has a slice of its own, so nobody needs a lock."""
    n, out_links = len(matrix), matrix.sum(axis=1)
    scores, workers = numpy.full(n, 1 / n), os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for _ in range(iterations):
            flows = [pool.submit(chunk, matrix, out_links, scores, *part)
                     for part in bounds(n, workers)]
            scores = damped(numpy.concatenate([flow.result() for flow in flows]), damping)
    return scores


_inherited = None


def inherited_chunk(task):
    scores, begin, end = task
    return chunk(*_inherited, scores, begin, end)


def processes_proper(matrix, iterations, damping):
    """One pool for all iterations, forked when the matrix is there; the current scores are sent."""
    global _inherited  # pylint: disable=global-statement
    n, workers = len(matrix), os.cpu_count() or 1
    _inherited = matrix, matrix.sum(axis=1)
    scores = numpy.full(n, 1 / n)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for _ in range(iterations):
            scores = damped(numpy.concatenate(pool.map(
                inherited_chunk, [(scores, *part) for part in bounds(n, workers)])), damping)
    return scores


def main():
    asked = common.request()
    workload = asked["workload"]
    n, offsets, targets = common.numpy_csr(workload["csr"])
    matrix = numpy.zeros((n, n))
    matrix[numpy.repeat(numpy.arange(n), numpy.diff(offsets.astype(numpy.int64))), targets] = 1
    form = globals()[asked["variant"].replace("-", "_")]
    scores, seconds = common.repeat(
        asked, lambda: form(matrix, workload["iterations"], workload["damping"]))
    common.answer(seconds=seconds, phases={}, solves="iterations", precision="double",
                  iterations=workload["iterations"],
                  checksum=common.write_scores(asked, scores.tobytes()))


if __name__ == "__main__":
    main()
