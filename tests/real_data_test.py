# SPDX-License-Identifier: MIT
"""The real dumps of ../shared/data against their gold: links, scores, bits, memory, idleness.
Skipped where the data is absent."""
import gzip
import os
import subprocess
import time
import unittest

from harness import (BUILD, DATA, ROOT, UNDER, Daemon, DaemonTest, build_index, run, scratch, FORKLORE,
                     FORKLORED)

WIKISPEEDIA = os.path.join(DATA, "wikispeedia-pages-articles-multistream.xml.bz2")


def wikispeedia_index():
    index = os.path.join(scratch(), "wikispeedia.flk")
    if not os.path.exists(index):
        build_index(WIKISPEEDIA, index)
    return index


def gold_scores():
    with open(os.path.join(DATA, "wikispeedia.pagerank.tsv"), encoding="utf-8") as lines:
        return [(title, float(score))
                for score, title in (line.rstrip("\n").split("\t") for line in lines)]


def exported_scores(connection):
    rows, cursor = [], 0
    while cursor is not None:
        piece = connection.call("export", what="scores", cursor=cursor, limit=10000)
        rows += [(title, score) for score, title in piece["rows"]]
        cursor = piece["next"]
    return rows


@unittest.skipUnless(os.path.exists(WIKISPEEDIA), f"no {WIKISPEEDIA}")
class Wikispeedia(DaemonTest):
    OPTIONS = ["--workers", "processes:2"]

    @classmethod
    def index(cls):
        return wikispeedia_index()

    def distance_to_gold(self, **options):
        job = self.rpc.pagerank(iterations=1000, publish=True, **options)
        self.assertEqual(job["state"], "done", job)
        mine, gold = exported_scores(self.rpc), gold_scores()
        scores = dict(mine)
        self.assertEqual(set(scores), {title for title, _ in gold})
        return sum(abs(scores[title] - score) for title, score in gold), mine, gold

    def test_index_is_whole(self):
        done = run(FORKLORED, "verify", self.index())
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_links_are_the_gold_exactly(self):
        status = self.rpc.call("status")["index"]
        self.assertEqual((status["pages"], status["edges"]), (4598, 119769))
        out = os.path.join(scratch(), "links.tsv")
        done = run(FORKLORE, "-s", self.daemon.path, "export", "links", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(out, "rb") as mine, \
                gzip.open(os.path.join(DATA, "wikispeedia.links.tsv.gz")) as gold:
            self.assertEqual(mine.read().split(b"\n"), gold.read().split(b"\n"))

    def test_double_scores_and_their_order(self):
        distance, mine, gold = self.distance_to_gold(precision="double", tolerance=1e-14)
        self.assertLessEqual(distance, 1e-12)
        self.assertEqual([title for title, _ in mine[:1000]], [title for title, _ in gold[:1000]])

    def test_single_scores(self):
        distance, _, _ = self.distance_to_gold(precision="single", tolerance=1e-7)
        self.assertLessEqual(distance, 1e-6)

    @unittest.skipIf(UNDER, "a sanitizer's own memory is private to each worker")
    def test_workers_share_one_copy(self):
        for page, _ in gold_scores()[:500]:
            self.rpc.call("page", page)
        status = self.rpc.call("status")
        segment = sum(s["bytes"] for s in status["segments"]) // 1024
        for worker in status["workers"]:
            self.assertLess(worker["private_kib"], 2048, worker)
            with open(f"/proc/{worker['pid']}/smaps_rollup", encoding="ascii") as rollup:
                fields = dict(line.split(":", 1) for line in rollup if ":" in line[:20])
            self.assertLess(int(fields["Private_Dirty"].split()[0]), 2048, worker)
        self.assertLess(sum(w["pss_kib"] for w in status["workers"]),
                        segment + 2 * 4096, "the segment is counted more than once")

    def test_idle_costs_nothing(self):
        """0 % of CPU over ten seconds: not one clock tick in daemon and workers together."""
        pids = [self.daemon.process.pid] + [w["pid"] for w in self.rpc.call("status")["workers"]]

        def ticks():
            total = 0
            for pid in pids:
                with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                    fields = stat.read().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
            return total
        # On a busy machine what there was to do may be done late.
        used = []
        while len(used) < 5 and (not used or used[-1] > 1):
            before = ticks()
            time.sleep(10)
            used.append(ticks() - before)
        self.assertLessEqual(used[-1], 1, used)

    def test_reload_keeps_answering(self):
        self.assertGreater(self.rpc.call("reload", self.index())["generation"], 1)
        self.assertEqual(self.rpc.call("lookup", "Europe")["title"], "Europe")


@unittest.skipUnless(os.path.exists(WIKISPEEDIA), f"no {WIKISPEEDIA}")
class WikispeediaBits(unittest.TestCase):
    def test_bits_are_the_same_in_every_cell(self):
        """1, 2, 3 and 7 workers, processes and threads, ring and shared, both precisions."""
        found = {"single": set(), "double": set()}
        for mode in "processes", "threads":
            with Daemon(wikispeedia_index(), "--workers", f"{mode}:2") as daemon, \
                    daemon.connect() as rpc:
                for precision, bits in found.items():
                    for exchange in "ring", "shared":
                        for workers in 1, 2, 3, 7:
                            job = rpc.pagerank(workers=workers, exchange=exchange, publish=True,
                                               precision=precision, tolerance=1e-7)
                            self.assertEqual(job["state"], "done", job)
                            bits.add((job["iteration"], job["change"],
                                      tuple(exported_scores(rpc))))
        for precision, bits in found.items():
            self.assertEqual(len(bits), 1, f"{precision}: {len(bits)} different results")


@unittest.skipUnless(os.path.isdir(DATA), f"no {DATA}")
class OtherDumps(unittest.TestCase):
    def test_enwiki_extract(self):
        dump = os.path.join(DATA, "enwiki-2016-shortened.xml.bz2")
        index = build_index(dump, os.path.join(scratch(), "enwiki.flk"))
        with Daemon(index) as daemon, daemon.connect() as rpc:
            self.assertEqual(rpc.call("status")["index"]["pages"], 106)
            self.assertEqual(rpc.call("lookup", "AccessibleComputing")["redirect_from"] or
                             "no such page", "AccessibleComputing") \
                if "Computer accessibility" in str(rpc.call("prefix", "Computer acc")) else None
            for entry in rpc.call("top", 106):
                for form in "text", "wikitext", "xml":
                    rpc.call("page", entry["title"], form)

    def test_enwiki_links_are_mwparserfromhells(self):
        dump = os.path.join(DATA, "enwiki-2016-shortened.xml.bz2")
        done = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests/compare_wikilinks.py"),
                               dump, os.path.join(BUILD, "tests/dump_links")],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    def test_utf16_dump(self):
        dump = os.path.join(DATA, "bgwiki-utf16-shortened.xml.bz2")
        index = build_index(dump, os.path.join(scratch(), "bgwiki.flk"))
        with Daemon(index) as daemon, daemon.connect() as rpc:
            page = rpc.call("page", "григориански календар", "wikitext")
            self.assertEqual(page["title"], "Григориански календар")
            self.assertIn("[[слънчев календар]]", page["text"])


if __name__ == "__main__":
    unittest.main()
