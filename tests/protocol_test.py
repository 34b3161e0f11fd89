#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every method of docs/protocol.md over the socket, on a wiki whose answers are known."""
import os
import time
import unittest

import msgpack

from harness import (IDS, LINKS, PAGES, PATIENCE_S, REDIRECTS, WORKER_COUNT, WORKER_MODE, Daemon,
                     DaemonTest, page_element, pagerank, scratch, small_index, synthetic_index,
                     wait_for)


class QueryTest(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.daemon.connect() as connection:
            connection.pagerank(tolerance=0, iterations=300)

    @classmethod
    def ranking(cls):
        scores = pagerank(LINKS)
        return sorted(scores, key=lambda t: (-scores[t], IDS[t])), scores

    def test_lookup(self):
        order, scores = self.ranking()
        for title in PAGES:
            page = self.rpc.call("lookup", title)
            self.assertAlmostEqual(page.pop("score"), scores[title], delta=1e-12)
            size = len(page_element(title, PAGES[title], IDS[title]).encode())
            self.assertEqual(page, {
                "title": title, "id": IDS[title], "redirect_from": None, "exact": True,
                "rank": order.index(title) + 1, "links": len(LINKS[title]),
                "backlinks": sum(title in targets for targets in LINKS.values()), "bytes": size})

    def test_lookup_normalises_titles(self):
        for typed in ("alpha", " Alpha ", "_Alpha_", "Far__away", "far away", "Far \u00a0away",
                      "E\u0301tienne"):
            self.assertTrue(self.rpc.call("lookup", typed)["exact"], typed)
        self.assertEqual(self.rpc.call("lookup", "E\u0301tienne")["title"], "Étienne")

    def test_lookup_forgives_case_and_diacritics(self):
        for typed, title in {"ALPHA": "Alpha", "älphä": "Alpha", "FAR AWAY": "Far away"}.items():
            page = self.rpc.call("lookup", typed)
            self.assertEqual((page["title"], page["exact"]), (title, False), typed)

    def test_lookup_prefers_the_exact_title(self):
        for title in ("Étienne", "Etienne"):
            self.assertEqual(self.rpc.call("lookup", title)["title"], title)
        order, _ = self.ranking()
        best = min("Étienne", "Etienne", key=order.index)
        self.assertEqual(self.rpc.call("lookup", "ETIENNE")["title"], best)

    def test_lookup_follows_redirects(self):
        for title, target in {"Old epsilon": "Epsilon", "Older epsilon": "Epsilon",
                              "Nippon": "日本"}.items():
            page = self.rpc.call("lookup", title)
            self.assertEqual((page["title"], page["redirect_from"], page["exact"]),
                             (target, title, True))
        page = self.rpc.call("lookup", "NIPPON")
        self.assertEqual((page["redirect_from"], page["exact"]), ("Nippon", False))

    def test_lookup_of_nothing(self):
        for title in ("Nowhere", "", "   ", "\u0301", "x" * 5000):
            self.assert_error("not_found", "lookup", title)
        message = self.assert_error("not_found", "lookup", "No such page")
        self.assertIn("No such page", message)

    def test_text_may_be_bin(self):
        self.assertEqual(self.rpc.call("lookup", b"Alpha")["title"], "Alpha")
        self.rpc.send([0, 900, b"ping", []])
        self.assertEqual(self.rpc.answer(900), "pong")

    def test_invalid_utf8_is_refused(self):
        for method in ("lookup", "prefix", "page", "links", "rank"):
            with self.subTest(method=method):
                self.rpc.send(msgpack.packb([0, 77, method]).replace(b"\x93", b"\x94", 1) +
                              b"\x91\xa2\xc3\x28")
                frame = self.rpc.receive()
                self.assertEqual((frame[1], frame[2]["code"]), (77, "bad_params"))

    def test_prefix(self):
        order, scores = self.ranking()
        for typed in ("e", "É", "eT", "ETIEN"):
            names = [t for t in PAGES if t[0] in "EÉ" and
                     t.replace("É", "E").lower().startswith(typed.replace("É", "E").lower())]
            found = self.rpc.call("prefix", typed)
            self.assertEqual([f["title"] for f in found], sorted(names, key=order.index), typed)
            for f in found:
                self.assertIsNone(f["target"])
                self.assertEqual(f["rank"], order.index(f["title"]) + 1)
                self.assertAlmostEqual(f["score"], scores[f["title"]], delta=1e-12)

    def test_prefix_finds_redirects(self):
        found = self.rpc.call("prefix", "old")
        self.assertEqual([(f["title"], f["target"]) for f in found],
                         [("Old epsilon", "Epsilon"), ("Older epsilon", "Epsilon")])
        order, _ = self.ranking()
        self.assertEqual({f["rank"] for f in found}, {order.index("Epsilon") + 1})

    def test_prefix_limit(self):
        everything = self.rpc.call("prefix", "", 1000)
        self.assertEqual(len(everything), len(PAGES) + len(REDIRECTS))
        self.assertEqual(self.rpc.call("prefix", ""), everything[:10])
        self.assertEqual(self.rpc.call("prefix", prefix="", limit=3), everything[:3])
        self.assertEqual(self.rpc.call("prefix", "no such thing"), [])

    def test_page(self):
        for title, text in PAGES.items():
            page = self.rpc.call("page", title, "wikitext")
            self.assertEqual(page, {"title": title, "id": IDS[title], "redirect_from": None,
                                    "format": "wikitext", "text": text})
            xml = self.rpc.call("page", title=title, format="xml")
            self.assertEqual(xml["text"], page_element(title, text, IDS[title]))

    def test_page_as_text(self):
        page = self.rpc.call("page", "Alpha")
        self.assertEqual(page["format"], "text")
        self.assertEqual(page["text"].strip(), "Alpha leads to Beta, the third and Delta.")
        page = self.rpc.call("page", "Old epsilon", "text")
        self.assertEqual((page["title"], page["redirect_from"]), ("Epsilon", "Old epsilon"))

    def test_links(self):
        in_dump = list(PAGES)
        for title, targets in LINKS.items():
            answer = self.rpc.call("links", title)
            self.assertEqual(answer, {"title": title, "total": len(targets),
                                      "titles": sorted(targets, key=in_dump.index)})
            sources = [s for s in PAGES if title in LINKS[s]]
            answer = self.rpc.call("backlinks", title)
            self.assertEqual(answer, {"title": title, "total": len(sources), "titles": sources})

    def test_links_in_pages(self):
        sources = [s for s in PAGES if "Alpha" in LINKS[s]]
        for offset in range(len(sources) + 2):
            for limit in range(len(sources) + 2):
                answer = self.rpc.call("backlinks", "Alpha", limit, offset)
                self.assertEqual(answer["titles"], sources[offset:offset + limit])
                self.assertEqual(answer["total"], len(sources))
        self.assertEqual(self.rpc.call("links", title="Alpha", offset=2**63)["titles"], [])

    def test_rank_and_top(self):
        order, scores = self.ranking()
        top = self.rpc.call("top", 100)
        self.assertEqual([p["title"] for p in top], order)
        self.assertEqual([p["rank"] for p in top], list(range(1, len(order) + 1)))
        self.assertEqual([p["id"] for p in top], [IDS[t] for t in order])
        self.assertEqual(self.rpc.call("top"), top[:10])
        self.assertEqual(self.rpc.call("top", 3, 4), top[4:7])
        self.assertEqual(self.rpc.call("top", offset=8), top[8:])
        self.assertEqual(self.rpc.call("top", 5, 1000), [])
        for page in top:
            self.assertAlmostEqual(page["score"], scores[page["title"]], delta=1e-12)
            rank = self.rpc.call("rank", page["title"])
            self.assertGreaterEqual(rank.pop("generation"), 1)
            self.assertEqual(rank, {"title": page["title"], "rank": page["rank"],
                                    "score": page["score"], "of": len(PAGES)})

    def test_random(self):
        page = self.rpc.call("random")
        self.assertEqual(self.rpc.call("lookup", page["title"]), page)
        self.assertEqual(self.rpc.call("random", 42), self.rpc.call("random", seed=42))
        titles = {self.rpc.call("random", seed)["title"] for seed in range(300)}
        self.assertEqual(titles, set(PAGES))

    def test_related(self):
        for seeds in (["Alpha"], ["Étienne", "Far away"]):
            exact = pagerank(LINKS, seeds=seeds)
            answer = self.rpc.call("related", seeds, 1000, 0.85, 1e-9)
            self.assertTrue(answer)
            for page in answer:
                self.assertNotIn(page["title"], seeds)
                self.assertAlmostEqual(page["score"], exact[page["title"]], delta=1e-6)
                self.assertEqual(page["rank"], self.rpc.call("rank", page["title"])["rank"])
            found = [p["score"] for p in answer]
            self.assertEqual(found, sorted(found, reverse=True))
        self.assertEqual(self.rpc.call("related", ["Alpha"], 1), self.rpc.call("related", "Alpha")[:1])
        self.assertEqual(self.rpc.call("related", ["Zeta"]), [])
        self.assert_error("not_found", "related", ["Alpha", "Nowhere"])

    def test_path(self):
        self.assertEqual(self.rpc.call("path", "Alpha", "Zeta"),
                         {"length": 3, "titles": ["Alpha", "Delta", "Epsilon", "Zeta"]})
        self.assertEqual(self.rpc.call("path", "Nippon", "Beta")["titles"],
                         ["日本", "Étienne", "Alpha", "Beta"])
        self.assertEqual(self.rpc.call("path", "Beta", "beta"), {"length": 0, "titles": ["Beta"]})
        self.assert_error("not_found", "path", "Zeta", "Alpha")
        self.assert_error("not_found", "path", "Alpha", "Zeta", 2)
        self.assertEqual(self.rpc.call("path", "Alpha", "Zeta", 3)["length"], 3)
        self.assert_error("not_found", "path", **{"from": "Alpha", "to": "Nowhere"})

    def export(self, what, limit):
        rows, cursor, generations = [], 0, set()
        while cursor is not None:
            piece = self.rpc.call("export", what, cursor, limit)
            self.assertLessEqual(len(piece["rows"]), limit)
            rows += piece["rows"]
            cursor = piece["next"]
            generations.add(piece["generation"])
        self.assertEqual(len(generations), 1)
        return rows

    def test_export(self):
        order, scores = self.ranking()
        for limit in (1, 2, 3, 1000):
            rows = self.export("scores", limit)
            self.assertEqual([title for _, title in rows], order)
            for score, title in rows:
                self.assertAlmostEqual(score, scores[title], delta=1e-12)
            links = [[s, t] for s, targets in self.export("links", limit) for t in targets]
            self.assertEqual(links, sorted(([s, t] for s in LINKS for t in LINKS[s]),
                                           key=lambda pair: [x.encode() for x in pair]))
            titles = {**{t: None for t in PAGES}, "Old epsilon": "Epsilon",
                      "Older epsilon": "Epsilon", "Nippon": "日本"}
            self.assertEqual(self.export("titles", limit),
                             sorted(map(list, titles.items()), key=lambda row: row[0].encode()))
        self.assertEqual(self.rpc.call("export")["rows"], self.rpc.call("export", "scores")["rows"])


class ParameterTest(DaemonTest):
    TITLE_METHODS = ("lookup", "page", "links", "backlinks", "rank")

    def test_missing_and_too_many(self):
        for method in self.TITLE_METHODS + ("prefix", "related", "path", "job", "cancel", "watch"):
            self.assert_error("bad_params", method)
            self.assert_error("bad_params", method, None)
        for method, most in {"lookup": 1, "prefix": 2, "page": 2, "links": 3, "rank": 1, "top": 2,
                             "random": 1, "related": 4, "path": 3, "export": 3, "ping": 0,
                             "status": 0, "jobs": 0, "job": 1, "submit": 9}.items():
            self.assert_error("bad_params", method, *[None] * most, "too much")

    def test_wrong_types(self):
        for method in self.TITLE_METHODS + ("prefix",):
            for wrong in (1, 1.5, True, [], ["Alpha"]):
                message = self.assert_error("bad_params", method, wrong)
                self.assertIn("prefix" if method == "prefix" else "title", message)
        for wrong in ("1", -1, 1.5, 1001, 0, [], True):
            self.assertIn("limit", self.assert_error("bad_params", "prefix", "a", wrong))
        for wrong in ("1", -1, 10001, []):
            self.assertIn("limit", self.assert_error("bad_params", "links", "Alpha", wrong))
            self.assertIn("limit", self.assert_error("bad_params", "top", wrong))
        for wrong in ("1", -1, [], True):
            self.assertIn("offset", self.assert_error("bad_params", "top", 1, wrong))
            self.assertIn("cursor", self.assert_error("bad_params", "export", "links", wrong))
            self.assertIn("seed", self.assert_error("bad_params", "random", wrong))
            self.assertIn("id", self.assert_error("bad_params", "job", wrong))
        for wrong in ("html", "", 1, []):
            self.assertIn("format", self.assert_error("bad_params", "page", "Alpha", wrong))
            self.assertIn("what", self.assert_error("bad_params", "export", wrong))
            self.assertIn("kind", self.assert_error("bad_params", "submit", wrong))
        for wrong in (0, 1, -0.1, 1.1, "x", float("nan"), float("inf")):
            self.assertIn("damping", self.assert_error("bad_params", "related", ["Alpha"], 1, wrong))
        for wrong in (0, -1, 2, float("nan")):
            self.assertIn("epsilon",
                          self.assert_error("bad_params", "related", titles="Alpha", epsilon=wrong))
        for wrong in ([], [1], {}, 1, ["Alpha"] * 101):
            self.assert_error("bad_params", "related", wrong)
        for wrong in (-1, 1001, "x"):
            self.assert_error("bad_params", "path", "Alpha", "Beta", wrong)

    def test_wrong_job_parameters(self):
        for name, values in {
                "damping": (1, -0.1, 1.5, "x", float("nan")), "tolerance": (-1, 2, "x", float("nan")),
                "iterations": (0, -1, 100001, 1.5), "precision": ("half", 8),
                "seeds": (1, [1], [None], {}), "exchange": ("pigeon", 1),
                "workers": (0, 65, -1), "publish": (1, "yes")}.items():
            for value in values:
                message = self.assert_error("bad_params", "submit", **{name: value})
                self.assertIn(name.rstrip("s"), message)
        self.assert_error("not_found", "submit", seeds=["Alpha", "Nowhere"])
        self.assertEqual(self.rpc.call("jobs"), [])

    def test_unknown_names(self):
        for method in ("lookup", "page", "top", "status", "submit", "ping", "reload"):
            message = self.assert_error("bad_params", method, titel="Alpha")
            self.assertIn("titel", message)

    def test_a_map_in_an_array_is_named_too(self):
        self.assertEqual(self.rpc.call("lookup", {"title": "Alpha"})["title"], "Alpha")
        self.assertIn("titel", self.assert_error("bad_params", "lookup", {"titel": "Alpha"}))
        self.assert_error("bad_params", "lookup", {"title": "Alpha"}, "more")

    def test_params_of_another_type(self):
        for params in ("Alpha", 7, None, True):
            self.rpc.send([0, 5, "lookup", params])
            frame = self.rpc.receive()
            self.assertEqual(frame[:2], [1, 5])
            self.assertIn(frame[2]["code"], ("bad_request", "bad_params"))
        self.assert_alive()

    def test_unknown_methods(self):
        for method in ("", "look", "lookups", "Lookup", "nvim_command", "x" * 1000, "pagé"):
            self.assert_error("unknown_method", method)
            self.assert_error("unknown_method", method, 1, 2, 3)

    def test_jobs_not_there(self):
        for method in ("job", "cancel", "watch"):
            self.assert_error("not_found", method, 12345)
            self.assert_error("not_found", method, 0)
            self.assert_error("not_found", method, 2**64 - 1)


class JobTest(DaemonTest):
    KEYS = {"id", "kind", "state", "iteration", "change", "iterations", "damping", "tolerance",
            "precision", "exchange", "workers", "at_work", "seeds", "published", "started_unix_s", "seconds",
            "run_seconds", "wait_seconds", "exchanged_bytes", "wakeups",
            "error", "top"}

    def test_pagerank(self):
        before = self.rpc.call("rank", "Alpha")["generation"]
        job = self.rpc.pagerank(tolerance=0, iterations=40)
        self.assertEqual(set(job), self.KEYS)
        self.assertEqual((job["state"], job["iteration"], job["iterations"], job["damping"],
                          job["tolerance"], job["precision"], job["seeds"], job["error"]),
                         ("done", 40, 40, 0.85, 0, "double", 0, None))
        self.assertGreater(job["published"], before)
        self.assertAlmostEqual(job["started_unix_s"], time.time(), delta=PATIENCE_S)
        exact = pagerank(LINKS)
        self.assertEqual([p["rank"] for p in job["top"]], list(range(1, len(PAGES) + 1)))
        self.assertEqual(self.rpc.call("rank", "Alpha")["generation"], job["published"])
        for page in self.rpc.call("top", 100):
            self.assertAlmostEqual(page["score"], exact[page["title"]], delta=0.85**40)
        self.assertEqual(self.rpc.call("job", job["id"]), job)

    def test_no_more_workers_than_processors(self):
        usable = os.sched_getaffinity(0)
        job = self.rpc.pagerank(workers=64)
        self.assertEqual((job["workers"], job["at_work"]), (64, min(64, len(usable))))
        under = ["taskset", "--cpu-list", str(min(usable))]
        with Daemon(self.index(), under=under) as daemon, daemon.connect() as rpc:
            self.assertEqual(len(rpc.call("status")["workers"]), 1)
            job = rpc.pagerank(workers=2)
            self.assertEqual((job["workers"], job["at_work"]), (2, 1))

    def test_queries_see_what_is_published(self):
        for _ in range(20):
            published = self.rpc.pagerank()["published"]
            self.assertEqual(self.rpc.call("rank", "Alpha")["generation"], published)
            self.assertEqual(self.rpc.call("status")["index"]["generation"], published)

    def test_tolerance(self):
        job = self.rpc.pagerank(tolerance=1e-4)
        self.assertLess(job["change"], 1e-4)
        self.assertLess(job["iteration"], 100)
        job = self.rpc.pagerank(tolerance=1e-14, iterations=3)
        self.assertEqual(job["iteration"], 3)

    def test_single_precision(self):
        job = self.rpc.pagerank(precision="single", tolerance=0, iterations=200)
        exact = pagerank(LINKS)
        self.assertEqual(job["precision"], "single")
        self.assertLess(sum(abs(p["score"] - exact[p["title"]])
                            for p in self.rpc.call("top", 100)), 1e-6)

    def test_seeds(self):
        before = self.rpc.call("top", 100)
        seeds = ["Étienne", "Zeta"]
        job = self.rpc.pagerank(seeds=seeds, tolerance=0, iterations=300)
        self.assertEqual((job["seeds"], job["published"]), (2, None))
        exact = pagerank(LINKS, seeds=seeds)
        self.assertEqual(len(job["top"]), len(PAGES))
        for page in job["top"]:
            self.assertAlmostEqual(page["score"], exact[page["title"]], delta=1e-12)
        self.assertEqual(self.rpc.call("top", 100), before)

    def test_publish(self):
        generation = self.rpc.call("status")["index"]["generation"]
        job = self.rpc.pagerank(publish=False)
        self.assertIsNone(job["published"])
        self.assertEqual(self.rpc.call("status")["index"]["generation"], generation)
        job = self.rpc.pagerank(seeds=["Alpha"], publish=True)
        self.assertGreater(job["published"], generation)
        self.assertEqual(self.rpc.call("status")["index"]["generation"], job["published"])

    def test_same_bits_however_computed(self):
        results = set()
        for workers in (1, 2):
            for exchange in ("ring", "shared"):
                job = self.rpc.pagerank(workers=workers, exchange=exchange, tolerance=1e-12)
                self.assertEqual((job["workers"], job["exchange"]), (workers, exchange))
                results.add(tuple(row[0] for row in self.rpc.call("export", "scores")["rows"]))
        self.assertEqual(len(results), 1)

    def test_progress(self):
        job = self.rpc.call("submit", "pagerank", 0.85, 0, 5000, "double")["job"]
        answer = self.rpc.call("watch", job)
        self.assertEqual(answer["id"], job)
        last, states = -1, []
        while True:
            frame = self.rpc.notification()
            self.assertEqual(frame[:2], [2, "progress"])
            [state] = frame[2]
            self.assertEqual(state["id"], job)
            self.assertGreaterEqual(state["iteration"], last)
            last = state["iteration"]
            states.append(state["state"])
            if state["state"] not in ("queued", "running"):
                break
        self.assertEqual((states[-1], last), ("done", 5000))
        self.assertNotIn("done", states[:-1])
        # Nothing follows the last one.
        self.assertEqual(self.rpc.call("ping"), "pong")
        self.assertEqual(self.rpc.notifications, [])

    def test_watch_of_an_ended_job(self):
        job = self.rpc.pagerank()
        self.assertEqual(self.rpc.call("watch", job["id"])["state"], "done")
        self.assertEqual(self.rpc.notification(), [2, "progress", [job]])
        self.assertEqual(self.rpc.call("ping"), "pong")
        self.assertEqual(self.rpc.notifications, [])

    def test_cancel(self):
        running = self.rpc.call("submit", tolerance=0, iterations=100000)["job"]
        queued = self.rpc.call("submit", tolerance=0, iterations=100000)["job"]
        self.assertGreater(queued, running)
        self.assertEqual(self.rpc.call("cancel", queued)["id"], queued)
        self.rpc.call("cancel", running)
        for job in (running, queued):
            self.rpc.call("watch", job)
        ended = {}
        while len(ended) < 2:
            _, _, [state] = self.rpc.notification()
            if state["state"] not in ("queued", "running"):
                ended[state["id"]] = state
        for job in ended.values():
            self.assertEqual((job["state"], job["published"], job["top"]), ("cancelled", None, []))
        self.assertEqual(self.rpc.call("cancel", running)["state"], "cancelled")

    def test_jobs(self):
        ids = [self.rpc.pagerank()["id"] for _ in range(3)]
        jobs = self.rpc.call("jobs")
        self.assertEqual([j["id"] for j in jobs], sorted(j["id"] for j in jobs))
        self.assertLessEqual(set(ids), {j["id"] for j in jobs})
        for job in jobs:
            self.assertEqual(set(job), self.KEYS)
            self.assertEqual(job["top"], [])

    def test_a_watcher_that_leaves(self):
        job = self.rpc.call("submit", tolerance=0, iterations=20000)["job"]
        for _ in range(3):
            with self.daemon.connect() as other:
                other.call("watch", job)
        self.rpc.call("watch", job)
        while self.rpc.notification()[2][0]["state"] in ("queued", "running"):
            pass
        self.assert_alive()


class ControlTest(DaemonTest):
    def test_ping(self):
        self.assertEqual(self.rpc.call("ping"), "pong")

    def test_status(self):
        status = self.rpc.call("status")
        index = status["index"]
        self.assertEqual((index["site"], index["pages"], index["titles"], index["edges"],
                          index["has_text"]),
                         ("Small wiki", len(PAGES), len(PAGES) + len(REDIRECTS),
                          sum(map(len, LINKS.values())), True))
        self.assertGreater(index["bytes_hot"], 0)
        self.assertGreater(index["bytes_cold"], 0)
        self.assertEqual(status["pid"], self.daemon.process.pid)
        self.assertEqual((status["mode"], status["exchange"]), (WORKER_MODE, "ring"))
        self.assertGreaterEqual(status["connections"], 1)
        self.assertEqual([w["slot"] for w in status["workers"]], list(range(WORKER_COUNT)))
        for worker in status["workers"]:
            self.assertEqual(set(worker), {"slot", "pid", "state", "requests", "restarts",
                                           "in_flight", "private_kib", "pss_kib",
                                           "page_tables_kib"})
            if WORKER_MODE == "processes":
                self.assertNotEqual(worker["pid"], status["pid"])
                self.assertGreater(worker["private_kib"], 0)
            else:
                self.assertIsNone(worker["private_kib"])
        self.assertEqual(set(status["queue"]), {"waiting", "in_flight", "answered", "failed"})
        self.assertEqual(set(status["jobs"]), {"running", "queued", "finished"})
        self.assertTrue(status["segments"])
        self.assertGreater(status["loop"]["completions"], 0)

    def test_requests_are_counted(self):
        def answered():
            return self.rpc.call("status")["queue"]["answered"]
        before = answered()
        for _ in range(50):
            self.rpc.call("lookup", "Alpha")
        self.assertGreaterEqual(answered(), before + 50)

    def test_reload(self):
        before = self.rpc.call("status")["index"]["generation"]
        generation = self.rpc.call("reload")["generation"]
        self.assertGreater(generation, before)
        self.assertEqual(self.rpc.call("rank", "Alpha")["generation"], generation)
        other = synthetic_index(40, 3)
        self.assertGreater(self.rpc.call("reload", other)["generation"], generation)
        self.assertEqual(self.rpc.call("status")["index"]["pages"], 40)
        self.assert_error("not_found", "lookup", "Alpha")
        self.rpc.call("reload", small_index())
        self.assertEqual(self.rpc.call("lookup", "Alpha")["title"], "Alpha")
        # What only older generations needed is gone.
        wait_for(lambda: not {s["generation"] for s in self.rpc.call("status")["segments"]} &
                 {before, generation}, "removal of old generations")

    def test_reload_of_something_else(self):
        for path in ("/nonexistent/index.flk", "/dev/null", __file__):
            message = self.assert_error("bad_params", "reload", path)
            self.assertIn(path, message)
        self.assert_error("bad_params", "reload", 7)
        self.assert_alive()

    def test_no_request_fails_while_reloading(self):
        with self.daemon.connect() as other:
            msgid = 1000
            other.send([0, msgid, "reload", []])
            for _ in range(300):
                self.assertEqual(self.rpc.call("lookup", "Alpha")["title"], "Alpha")
            self.assertGreater(other.answer(msgid)["generation"], 1)

    def test_shutdown(self):
        with Daemon(small_index()) as daemon:
            with daemon.connect() as connection:
                self.assertIs(connection.call("shutdown"), True)
                self.assertEqual(daemon.process.wait(PATIENCE_S), 0)
            daemon.stop()

    def test_shutdown_answers_what_is_there(self):
        with Daemon(small_index()) as daemon, daemon.connect() as connection:
            count = 100
            frames = [[0, i, "lookup", ["Alpha"]] for i in range(count)] + [[0, count, "shutdown", []]]
            connection.send(b"".join(map(msgpack.packb, frames)))
            answers = {}
            while (frame := connection.receive()) is not None:
                answers[frame[1]] = frame
            self.assertEqual(set(answers), set(range(count + 1)))
            for i in range(count):
                self.assertIsNone(answers[i][2])
                self.assertEqual(answers[i][3]["title"], "Alpha")


class ThreadsTest(QueryTest):
    """All the same answers from threads, and with scores exchanged in shared memory."""
    OPTIONS = ["--workers", "threads:3", "--exchange", "shared"]

    def test_status_says_threads(self):
        status = self.rpc.call("status")
        self.assertEqual((status["mode"], status["exchange"], len(status["workers"])),
                         ("threads", "shared", 3))


class GraphTest(DaemonTest):
    """An edge list has no text."""

    @classmethod
    def setUpClass(cls):
        path = os.path.join(scratch(), "edges.tsv")
        with open(path, "w", encoding="utf-8") as out:
            out.write("# a comment\none\ttwo\ntwo\tthree\nthree\tone\none\tthree\n")
        cls.daemon = Daemon(None, *cls.OPTIONS, arguments=["--edges", path])

    def test_no_text(self):
        for form in ("text", "wikitext", "xml"):
            self.assert_error("not_available", "page", "one", form)
        self.assertEqual(self.rpc.call("lookup", "one")["bytes"], 0)
        self.assertIs(self.rpc.call("status")["index"]["has_text"], False)

    def test_graph(self):
        self.assertEqual(self.rpc.call("links", "one")["titles"], ["two", "three"])
        self.assertEqual(self.rpc.call("path", "two", "one")["titles"], ["two", "three", "one"])


if __name__ == "__main__":
    unittest.main()
