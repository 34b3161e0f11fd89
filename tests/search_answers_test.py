# SPDX-License-Identifier: MIT
"""What surrounds the hits of a search: everything an answer tells, over the protocol and on the
command line; stems; and queries that ask for everything, for nothing, or for too much."""
import json
import os
import unittest

from cli_test import DONE, NOT_FOUND, REFUSED, USAGE, on_terminal
from harness import FORKLORE, FORKLORED, DaemonTest, RpcError, page_element, run, scratch

TEXTS = {
    "Fish": "A fish swims. '''Machines''' do not.\n\nThe fish was connected to [[Bread]].",
    "Bread": "Bread is baked by machines. Few fish eat bread! It is a connection of flour and water.",
    "Turing machine": "A machine of [[Fish|thought]]. It halts, or goes on; nobody can tell.",
    "Long": "filler word " * 4000 + "Here the needle lies. " + "filler word " * 4000,
    "日本": "日本語の文章。",
}
PAGES_OF_ALL = 3000


def index_of(name, texts, *options):
    dump = os.path.join(scratch(), name + ".xml")
    with open(dump, "w", encoding="utf-8") as out:
        out.write("<mediawiki>" + "".join(page_element(title, text, 10 + i)
                                          for i, (title, text) in enumerate(texts.items())) +
                  "</mediawiki>")
    index = dump[:-4] + ".flk"
    done = run(FORKLORED, "build", dump, "-o", index, *options)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return index


class SearchTest(DaemonTest):
    def titles(self, query, **options):
        return [r["title"] for r in self.rpc.call("search", query=query, **options)["results"]]

    def refused(self, query, *words):
        with self.assertRaises(RpcError) as caught:
            self.rpc.call("search", query=query)
        self.assertEqual(caught.exception.code, "bad_params")
        for word in words:
            self.assertIn(word, caught.exception.message)


class Answers(SearchTest):
    @classmethod
    def index(cls):
        return index_of("answers", TEXTS)

    def test_everything_a_result_tells(self):
        answer = self.rpc.call("search", query="fish", exact_hits=True)
        self.assertEqual(set(answer), {"hits", "hits_exact", "results", "suggestion", "took_us"})
        self.assertEqual((answer["hits"], answer["hits_exact"]), (2, True))
        self.assertIsNone(answer["suggestion"])
        self.assertGreaterEqual(answer["took_us"], 0)
        for result in answer["results"]:
            self.assertEqual(set(result), {"title", "id", "score", "length", "rank", "snippet",
                                           "marks"})
            self.assertEqual(result["rank"], self.rpc.call("rank", result["title"])["rank"])
        first = answer["results"][0]
        self.assertEqual((first["title"], first["id"], first["length"]), ("Fish", 10, 12))

    def test_marks_are_the_words_of_the_query(self):
        for query, title, marked in [("fish", "Fish", ["fish", "fish"]),
                                     ("bread FLOUR", "Bread", ["Bread", "bread", "flour"]),
                                     ("needle", "Long", ["needle"]), ("nee*", "Long", ["needle"]),
                                     ("本語", "日本", ["本語"]),
                                     ("日本語", "日本", ["日本語"])]:
            result = self.rpc.call("search", query=query)["results"][0]
            text = result["snippet"].encode()
            self.assertEqual(result["title"], title)
            self.assertEqual([text[start:end].decode() for start, end in result["marks"]], marked)
            self.assertLessEqual(len(text), 300)

    def test_a_snippet_begins_with_a_sentence(self):
        [result] = self.rpc.call("search", query="needle")["results"]
        self.assertIn("Here the needle lies.", result["snippet"])
        [result] = self.rpc.call("search", query="halts")["results"]
        self.assertTrue(result["snippet"].startswith(("A machine", "It halts")))

    def test_paging(self):
        whole = self.titles("a* b* f* t*", limit=10)
        self.assertEqual(len(whole), 4)
        for first in range(5):
            self.assertEqual(self.titles("a* b* f* t*", limit=1, offset=first),
                             whole[first:first + 1])
        self.assertEqual(self.titles("fish", limit=0), [])

    def test_suggestions(self):
        for query, better in [("fihs", "fish"), ("machin", "machine"), ("+bred fish", "+bread fish"),
                              ("fish", None), ("qwertyuiop", None)]:
            self.assertEqual(self.rpc.call("search", query=query)["suggestion"], better, query)

    def test_explain_adds_up(self):
        for query in "fish", "+fish bread -halts", '"few fish"', "ma*", "intitle:turing machine":
            for result in self.rpc.call("search", query=query)["results"]:
                told = self.rpc.call("explain", query, result["title"])
                self.assertAlmostEqual(told["score"], result["score"], 12, query)
                self.assertAlmostEqual(
                    sum(term["contribution"] for term in told["terms"]) + told["pagerank"],
                    told["score"], 12)

    def test_no_snippets(self):
        [result] = self.rpc.call("search", query="needle", snippets=False)["results"]
        self.assertNotIn("snippet", result)
        self.assertNotIn("marks", result)

    # --- On the command line -------------------------------------------------------------------

    def forklore(self, *arguments, code=DONE):
        done = run(FORKLORE, "-s", self.daemon.path, *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def test_for_programs(self):
        text, _ = self.forklore("--json", "search", "--exact-hits", "-n", "1", "fish")
        answer = json.loads(text)
        self.assertEqual((answer["hits"], len(answer["results"])), (2, 1))
        self.assertEqual(answer["results"][0]["title"], "Fish")

    def test_for_people(self):
        text, said = self.forklore("search", "few", "fish")
        self.assertIn("1. Bread", text)
        self.assertIn("Few fish eat bread!", text)
        self.assertNotIn("\x1b", text + said)

    def test_on_a_terminal(self):
        code, shown = on_terminal("-s", self.daemon.path, "search", "--exact-hits", "fish")
        self.assertEqual(code, DONE)
        self.assertIn("\x1b[1mfish\x1b[0m", shown)
        self.assertIn("(2 pages, ", shown)

    def test_nothing_found(self):
        _, said = self.forklore("search", "fihs", code=NOT_FOUND)
        self.assertIn("Did you mean: fish", said)
        self.assertIn("no page matches", said)

    def test_what_cannot_be_asked(self):
        for query in "-fish", "...", "":
            _, said = self.forklore("search", "--", query, code=REFUSED)
            self.assertTrue(said.startswith("forklore"), said)
        self.forklore("search", code=USAGE)


class Stems(SearchTest):
    @classmethod
    def index(cls):
        return index_of("stems", TEXTS, "--stem", "english")

    def test_stems_are_found(self):
        self.assertEqual(set(self.titles("connects")), {"Fish", "Bread"})
        self.assertEqual(set(self.titles("machines")), {"Fish", "Bread", "Turing machine"})
        self.assertEqual(self.titles('"turing machines"'), ["Turing machine"])
        self.assertEqual(self.titles("日本"), ["日本"])

    def test_their_words_are_marked(self):
        for result in self.rpc.call("search", query="connects")["results"]:
            text = result["snippet"].encode()
            self.assertIn([text[start:end] for start, end in result["marks"]],
                          [[b"connected"], [b"connection"]])

    def test_explain_shows_stems(self):
        told = self.rpc.call("explain", "connections", "Fish")
        self.assertEqual(told["terms"][0]["term"], "connect")
        self.assertEqual(told["terms"][0]["tf"], 1)

    def test_what_cannot_be_built(self):
        dump = os.path.join(scratch(), "stems.xml")
        for options, code, word in [(["--stem", "klingon"], REFUSED, "klingon"),
                                    (["--stem", "english", "--no-search"], USAGE, "--no-search"),
                                    (["--stem", ""], USAGE, "--stem")]:
            done = run(FORKLORED, "build", dump, "-o", dump + ".flk", *options)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(word, done.stderr.decode())
            self.assertFalse(os.path.exists(dump + ".flk"))


class EverythingAndNothing(SearchTest):
    @classmethod
    def index(cls):
        cls.words = [f"word{i}" for i in range(1100)]
        texts = {f"Page {i}": " ".join(["every"] + cls.words[i % 50::50]) + " everywhere"
                 for i in range(PAGES_OF_ALL)}
        return index_of("all", texts)

    def test_a_wildcard_that_matches_everything(self):
        for query in "e*", "e* w*", "+e* +w*", "e* -word1":
            answer = self.rpc.call("search", query=query, exact_hits=True)
            expected = PAGES_OF_ALL - (PAGES_OF_ALL // 50 if "-" in query else 0)
            self.assertEqual((answer["hits"], len(answer["results"])), (expected, 10), query)

    def test_everything_refused(self):
        self.refused("-every", "only excludes")
        self.refused("-every -word1 -\"a b\"", "only excludes")
        for query in "word1 -every", "+word1 -every", "e* -e*", "word1 -\"every\"":
            answer = self.rpc.call("search", query=query, exact_hits=True)
            self.assertEqual((answer["hits"], answer["results"]), (0, []), query)

    def test_nothing_asked(self):
        for query in "", " ", "\t\n", "...", "+", "-", '""', '"', "*", "intitle:", "+intitle:\"", "\0":
            self.refused(query, "no words")

    def test_a_thousand_words(self):
        thousand = self.words[:1000]
        answer = self.rpc.call("search", query=" ".join(thousand), exact_hits=True)
        self.assertEqual(answer["hits"], PAGES_OF_ALL)
        answer = self.rpc.call("search", query="+" + " +".join(thousand), exact_hits=True)
        self.assertEqual(answer["hits"], 0)
        answer = self.rpc.call("search", query="+" + " +".join(self.words[3:1000:50]))
        self.assertEqual(answer["results"][0]["title"][:5], "Page ")
        answer = self.rpc.call("search", query='"' + " ".join(thousand) + '"')
        self.assertEqual(answer["hits"], 0)
        answer = self.rpc.call("search", query=" ".join(word + "*" for word in thousand))
        self.assertEqual(len(answer["results"]), 10)
        self.refused(" ".join(["many"] * 1025), "1024")


if __name__ == "__main__":
    unittest.main()
