#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A MessagePack-RPC client that nobody here wrote, the one Neovim's plugins use (Debian:
python3-pynvim), calls every query method. It takes params by position, sends its method names and
its hello as it likes, and knows nothing of forklore."""
import unittest
import warnings

try:
    from pynvim.msgpack_rpc import socket_session
except ImportError:
    socket_session = None

from harness import IDS, LINKS, PAGES, REDIRECTS, DaemonTest, page_element


@unittest.skipIf(socket_session is None, "python3-pynvim is not installed")
class StockClientTest(DaemonTest):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore", ResourceWarning) # what it leaves open is its own affair
        # Begins with a notification that the daemon does not know, as it does with Neovim.
        self.session = socket_session(self.daemon.path)
        self.session.error_wrapper = lambda error: LookupError(error["code"])
        self.addCleanup(self.session.close)

    def test_lookup(self):
        for title in PAGES:
            page = self.session.request("lookup", title)
            self.assertEqual((page["title"], page["id"], page["exact"]), (title, IDS[title], True))
        self.assertEqual(self.session.request("lookup", "Nippon")["redirect_from"], "Nippon")

    def test_prefix(self):
        self.assertEqual({f["title"] for f in self.session.request("prefix", "eti")},
                         {"Étienne", "Etienne"})

    def test_page(self):
        for title, text in PAGES.items():
            self.assertEqual(self.session.request("page", title, "wikitext")["text"], text)
        self.assertEqual(self.session.request("page", "日本", "xml")["text"],
                         page_element("日本", PAGES["日本"], IDS["日本"]))
        self.assertIn("the third", self.session.request("page", "Alpha")["text"])

    def test_links(self):
        for title, targets in LINKS.items():
            self.assertEqual(set(self.session.request("links", title)["titles"]), set(targets))
        self.assertEqual(self.session.request("backlinks", "Beta", 10, 0)["titles"], ["Alpha"])

    def test_rank_and_top(self):
        for page in self.session.request("top", 20):
            self.assertEqual(self.session.request("rank", page["title"])["rank"], page["rank"])

    def test_random(self):
        self.assertIn(self.session.request("random")["title"], PAGES)

    def test_related(self):
        found = [p["title"] for p in self.session.request("related", ["Alpha"], 3)]
        self.assertEqual(len(found), 3)
        self.assertNotIn("Alpha", found)

    def test_path(self):
        self.assertEqual(self.session.request("path", "Alpha", "Epsilon")["titles"],
                         ["Alpha", "Delta", "Epsilon"])

    def test_export(self):
        rows = self.session.request("export", "titles", 0, 1000)["rows"]
        self.assertEqual(len(rows), len(PAGES) + len(REDIRECTS))

    def test_errors(self):
        with self.assertRaises(LookupError) as caught:
            self.session.request("lookup", "Nowhere")
        self.assertEqual(caught.exception.args, ("not_found",))
        with self.assertRaises(LookupError) as caught:
            self.session.request(b"nvim_command", "quit")
        self.assertEqual(caught.exception.args, ("unknown_method",))

    def test_pipelined(self):
        """A thousand requests under way at a time, paired by the client."""
        requests = [("lookup", [title]) for title in PAGES] + \
                   [("links", [title]) for title in PAGES] + \
                   [("rank", {"title": title}) for title in PAGES] + \
                   [("related", [[title]]) for title in PAGES] + \
                   [("prefix", [title[0]]) for title in PAGES] + \
                   [("path", [title, "Zeta"]) for title in PAGES] + \
                   [("top", [3]), ("random", []), ("export", []), ("page", ["Alpha"])]
        connection = self.session._async_session
        answers = {}
        for n, (method, params) in enumerate(requests * 3):
            def arrived(error, result, n=n):
                answers[n] = (error, result)
                if len(answers) == 3 * len(requests):
                    connection.stop()
            connection.request(method, params, arrived)
        connection.run(None, None)
        self.assertEqual(set(answers), set(range(3 * len(requests))))
        for n, (error, result) in answers.items():
            method, params = requests[n % len(requests)]
            if error:
                self.assertEqual((method, error["code"]), ("path", "not_found"))
            elif method in ("lookup", "links", "rank"):
                title = params["title"] if isinstance(params, dict) else params[0]
                self.assertEqual(result["title"], title)

    def test_watch(self):
        job = self.session.request("submit", "pagerank")["job"]
        self.session.request("watch", job)
        while True:
            kind, method, [state] = self.session.next_message()
            self.assertEqual((kind, method, state["id"]), ("notification", "progress", job))
            if state["state"] == "done":
                break


if __name__ == "__main__":
    unittest.main()
