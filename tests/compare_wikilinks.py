#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds dump_links against mwparserfromhell: compare_wikilinks.py DUMP [DUMP_LINKS]

Reads the dump with ElementTree, takes the links that mwparserfromhell finds, applies the same
rules to them in code of its own, and compares twice: all page links (dump_links -a), and the links
of the graph (dump_links). Prints every difference; exit code 0 if there is none, 1 if there are
some, 77 if mwparserfromhell is not installed.

mwparserfromhell's own reading is bent in two places, where it is known not to be MediaWiki's:
- it is told to ignore bold and italics, since an unpaired ''' inside [[target|text]] makes it miss
  the link;
- the contents of <gallery> and other tags that it does not look into are parsed once more.
"""
import bz2
import html
import re
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from urllib.parse import unquote_to_bytes

try:
    import mwparserfromhell
except ImportError:
    print("SKIP: mwparserfromhell (Debian python3-mwparserfromhell) is not installed")
    sys.exit(77)

# Tags that mwparserfromhell does not look into, though they may hold links.
CONTAINERS = {"gallery", "imagemap", "poem", "section", "ce", "chem", "timeline", "score", "hiero",
              "inputbox", "categorytree", "graph", "templatedata"}

CANONICAL = """media special talk user user_talk project project_talk file file_talk image
image_talk mediawiki mediawiki_talk template template_talk help help_talk category
category_talk""".split()
SISTERS = """wikt wiktionary s wikisource q wikiquote b wikibooks n wikinews v wikiversity voy
wikivoyage species wikispecies d wikidata m meta mw c commons w wikipedia wmf foundation
bugzilla phab doi simple""".split()
LANGUAGE = re.compile(r"[a-z]{2,3}\Z|zh-[a-z-]+\Z|(be|bat|cbk|fiu|map|nds|roa)-[a-z-]+\Z")
SPACES = re.compile("[ _\u00a0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
BIDI = re.compile("[\u200e\u200f\u202a-\u202e]")
URL = re.compile(r"(https?:|ftp:|irc:)?//|mailto:|news:", re.I)


def normal(title, first_letter):
    title = SPACES.sub(" ", BIDI.sub("", unicodedata.normalize("NFC", title))).strip(" ")
    first = title[:1].upper()
    # One letter for one letter: the sharp s stays.
    return first + title[1:] if first_letter and len(first) == 1 else title


class Dump:
    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        if data[:3] == b"BZh":
            data = bz2.decompress(data)
        root = ElementTree.fromstring(data)
        space = root.tag[: root.tag.index("}") + 1]
        info = root.find(space + "siteinfo")
        self.first_letter = info.findtext(space + "case") == "first-letter"
        self.namespaces = {name.replace("_", " ") for name in CANONICAL} | {"wp", "wt"}
        for item in info.iter(space + "namespace"):
            if item.text:
                self.namespaces.add(item.text.lower())
        self.articles, self.redirects, self.texts = {}, {}, {}
        for page in root.iter(space + "page"):
            if page.findtext(space + "ns") != "0":
                continue
            shown = page.findtext(space + "title")
            title = normal(shown, self.first_letter)
            redirect = page.find(space + "redirect")
            if redirect is not None:
                self.redirects[title] = normal(redirect.get("title"), self.first_letter)
            else:
                self.articles[title] = shown
                self.texts[shown] = page.findall(space + "revision")[-1].findtext(space + "text")

    def target(self, raw):
        """The normalised title of a page link, or None."""
        raw = re.sub("<!--.*?(-->|$)", "", raw, flags=re.S)
        if "%" in raw:
            raw = unquote_to_bytes(raw).decode("utf-8", "replace")
        raw = html.unescape(raw).split("#")[0]
        title = raw.strip(" _\t")
        if title.startswith(":"):
            title = title[1:]
        title = normal(title, self.first_letter)
        if not title or title[0] == ":" or URL.match(title):
            return None
        if re.search("[\x00-\x1f\x7f\ufffd<>\\[\\]{}|]", title) or len(title.encode()) > 1024:
            return None
        if ":" in title:
            prefix = title.split(":")[0].strip().lower()
            if prefix in self.namespaces or prefix in SISTERS or LANGUAGE.match(prefix):
                return None
        return title

    def links(self, text):
        code = mwparserfromhell.parse(text, skip_style_tags=True)
        found = [str(link.title) for link in code.filter_wikilinks()]
        for tag in code.filter_tags():
            if str(tag.tag).strip().lower() in CONTAINERS and tag.contents is not None:
                found += self.links(str(tag.contents))
        return found

    def resolve(self, title):
        seen = set()
        while title in self.redirects and title not in seen:
            seen.add(title)
            title = self.redirects[title]
        return self.articles.get(title)


def run(program, *arguments):
    done = subprocess.run([program, *arguments], stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode("utf-8").split("\n")[:-1]
    assert lines == sorted(set(lines), key=lambda line: line.encode().split(b"\t")), "not sorted"
    return {tuple(line.split("\t")) for line in lines}


def compare(what, theirs, ours):
    for pairs, whose in ((theirs - ours, "only mwparserfromhell"), (ours - theirs, "only ours")):
        for pair in sorted(pairs):
            print("%s: %s: %s -> %s" % (what, whose, *pair))
    print("%s: %d theirs, %d ours, %d differences"
          % (what, len(theirs), len(ours), len(theirs ^ ours)))
    return len(theirs ^ ours)


def main():
    path = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else "build/tests/dump_links"
    dump = Dump(path)
    every, graph = set(), set()
    for source, text in dump.texts.items():
        for raw in dump.links(text or ""):
            title = dump.target(raw)
            if title is None:
                continue
            every.add((source, title))
            target = dump.resolve(title)
            if target is not None and target != source:
                graph.add((source, target))
    differences = compare("all links", every, run(program, "-a", path))
    differences += compare("graph", graph, run(program, path))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
