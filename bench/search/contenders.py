# SPDX-License-Identifier: MIT
"""Who takes part in bench/search/run.py, and how each is made without installing anything: Debian
packages are unpacked and programs compiled under build/bench/search.

A contender's program is called as `build PAGES INDEX`, or as `serve INDEX QUERIES`; then every
line `KIND ROUNDS` on its standard input is answered with one line of JSON: "best_ns", of each
query of that kind the fastest of ROUNDS after one more to warm up, and "hits", of each the pages
that match."""
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import time

from harness import BUILD, FORKLORED, ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(BUILD, "bench", "search")
MANY_PAGES = 50000
PLAIN = "forklore without search"
WIDE = ", all processors"
DUMPED = ", all processors, from the dump as it is distributed"
SEARCH_SECTIONS = ("search-info", "body-lengths", "name-lengths", "word-blocks", "word-bytes",
                   "postings", "positions")
LUCENE_SUITE = "trixie"  # Debian 13: Lucene 9.10 and the Java 21 that it wants
SERVICES = {  # Debian's jar lacks them
    "org.apache.lucene.codecs.Codec": ["lucene99.Lucene99Codec"],
    "org.apache.lucene.codecs.PostingsFormat": ["lucene99.Lucene99PostingsFormat"],
    "org.apache.lucene.codecs.DocValuesFormat": ["lucene90.Lucene90DocValuesFormat"],
    "org.apache.lucene.codecs.KnnVectorsFormat": ["lucene99.Lucene99HnswVectorsFormat"],
}


class Missing(Exception):
    """This contender cannot be had here, and why."""


def call(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Missing(f"{os.path.basename(command[0])}: {lines[0].strip()}")
    return done.stdout


def bytes_of(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(file) for file in glob.glob(os.path.join(path, "**"), recursive=True)
               if os.path.isfile(file))


def timed(processor, *command):
    """Wall and processor seconds of a command on one processor, or on all of them (None)."""
    before, usage = time.monotonic(), os.times()
    call(*([] if processor is None else ["taskset", "-c", str(processor)]), *command)
    after = os.times()
    return (time.monotonic() - before, after.children_user + after.children_system -
            usage.children_user - usage.children_system)


def pages_of(corpus):
    with open(os.path.join(corpus, "pages.txt"), "rb") as lines:
        return sum(1 for _ in lines)


# --- Packages, unpacked -----------------------------------------------------------------------


def release(key):
    with open("/etc/os-release", encoding="utf-8") as lines:
        return dict(line.rstrip().replace('"', "").split("=", 1)
                    for line in lines if "=" in line).get(key, "")


def mirror():
    """Where this system gets its packages from, and the keys it trusts."""
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        with open(path, encoding="utf-8") as text:
            for stanza in text.read().split("\n\n"):
                field = dict(re.findall(r"^([\w-]+):\s*(.*)$", stanza, re.MULTILINE))
                if release("VERSION_CODENAME") in field.get("Suites", "").split():
                    return field["URIs"].split()[0], field.get("Signed-By")
    for path in ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list")]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as lines:
                for line in lines:
                    found = re.match(r"deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s", line)
                    if found and found[3] == release("VERSION_CODENAME"):
                        key = re.search(r"signed-by=(\S+)", found[1] or "")
                        return found[2], key and key[1]
    raise Missing("no Debian mirror is set up here")


def unpack(folder, suite, packages):
    """Packages of a Debian suite under WORK/folder, whatever this system has installed."""
    target = os.path.join(WORK, folder)
    done = os.path.join(target, ".complete")
    if os.path.exists(done):
        return target
    if not shutil.which("apt-get"):
        raise Missing("no apt-get here")
    shutil.rmtree(target, ignore_errors=True)
    state = os.path.join(target, ".apt")
    for name in ("lists/partial", "archives/partial"):
        os.makedirs(os.path.join(state, name))
    uri, key = mirror()
    with open(os.path.join(state, "sources.list"), "w", encoding="utf-8") as out:
        out.write(f"deb {f'[signed-by={key}] ' if key else ''}{uri} {suite} main\n")
    with open(os.path.join(state, "apt.conf"), "w", encoding="utf-8") as out:
        out.write(f'Dir::Etc::SourceList "{state}/sources.list"; Dir::Etc::SourceParts "/dev/null";'
                  f'Dir::State::lists "{state}/lists"; Dir::State::status "/dev/null";'
                  f'Dir::Cache "{state}"; Dir::Cache::archives "{state}/archives";'
                  'APT::Sandbox::User "root";')
    environment = {**os.environ, "APT_CONFIG": os.path.join(state, "apt.conf")}
    call("apt-get", "update", "-qq", env=environment)
    call("apt-get", "download", "-qq", *packages, env=environment, cwd=state)
    for package in glob.glob(os.path.join(state, "*.deb")):
        call("dpkg", "-x", package, target)
    shutil.rmtree(state)
    for path in glob.glob(os.path.join(target, "**"), recursive=True):
        if os.path.islink(path) and os.readlink(path).startswith("/"):
            inside = target + os.readlink(path)
            if os.path.exists(inside):
                os.unlink(path)
                os.symlink(inside, path)
    with open(done, "w", encoding="utf-8"):
        return target


def find(folder, pattern):
    found = sorted(glob.glob(os.path.join(folder, "**", pattern), recursive=True))
    if not found:
        raise Missing(f"no {pattern} in its package")
    return found[0]


# --- The contenders -----------------------------------------------------------------------------


class Contender:
    name = ""
    is_slow = False  # one turn of one round says it, and on many pages every tenth query
    warm_up_rounds = 1

    def __init__(self):
        self.server = None
        self.every = 1  # which queries it is asked

    def prepare(self):
        """Makes its program; raises Missing. `self.command` is how to call it."""
        raise NotImplementedError

    def build(self, corpus, processor):
        """[(what, wall seconds, processor seconds, bytes of the index)]"""
        index = self.index(corpus)
        for old in glob.glob(index + "*"):
            shutil.rmtree(old) if os.path.isdir(old) else os.unlink(old)
        seconds = timed(processor, *self.command, "build", os.path.join(corpus, "pages.txt"), index)
        return [(self.name, *seconds, bytes_of(self.served(index)))]

    def warm_up(self, corpus):
        """Rounds, of every kind. Many pages need fewer: their queries take longer."""
        rounds = self.warm_up_rounds
        return rounds if pages_of(corpus) <= MANY_PAGES else (rounds + 4) // 5

    def index(self, corpus):
        return os.path.join(corpus, self.name.split()[0].lower() + ".index")

    def served(self, index):
        return index

    def start(self, corpus, processor):
        queries = os.path.join(corpus, "queries.tsv")
        if self.is_slow and pages_of(corpus) > MANY_PAGES:
            self.every = 10
            queries = self.some_of(queries)
        self.server = subprocess.Popen(
            ["taskset", "-c", str(processor), *self.command, "serve", self.index(corpus), queries],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def some_of(self, queries):
        """A file with every so manieth query of each kind."""
        seen, some = collections.Counter(), queries + ".some"
        with open(queries, encoding="ascii") as lines, open(some, "w", encoding="ascii") as out:
            for line in lines:
                kind = line.split("\t")[0]
                if seen[kind] % self.every == 0:
                    out.write(line)
                seen[kind] += 1
        return some

    def turn(self, kind, rounds):
        self.server.stdin.write(f"{kind} {1 if self.is_slow else rounds}\n")
        self.server.stdin.flush()
        line = self.server.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.server.wait()}")
        try:
            return json.loads(line)
        except ValueError:
            rest = self.server.communicate()[0]
            raise SystemExit(f"{self.name} says: {line}{rest}") from None

    def stop(self):
        if self.server:
            self.server.stdin.close()
            self.server.wait()
            self.server = None


class Forklore(Contender):
    name = "forklore"

    def prepare(self):
        program = os.path.join(BUILD, "bench", "search", "forklore_bench")
        call("make", "-C", ROOT, f"BUILD={os.path.relpath(BUILD, ROOT)}", "all",
             os.path.relpath(program, ROOT))
        self.command = [program]

    def build(self, corpus, processor):
        """Without search and with it, on all processors and on one, of the corpus's words alone and
        of the dump that they come from, if there is one; bytes are the sections that find pages,
        not the passages that show them."""
        pages, dump = os.path.join(corpus, "pages.xml"), os.path.join(corpus, "dump")
        sources = [(DUMPED, None, dump)] if os.path.exists(dump) else []
        built = []
        for where, on, source in (*sources, (WIDE, None, pages), ("", processor, pages)):
            for what, options in ((PLAIN, ["--no-search"]), (self.name, [])):
                seconds = timed(on, FORKLORED, "build", "--quiet", *options, source, "-o",
                                self.index(corpus))
                info = json.loads(call(FORKLORED, "info", "--json", self.index(corpus)))
                size = sum(section["bytes"] for section in info["sections"]
                           if section["name"] in SEARCH_SECTIONS)
                built.append((what + where, *seconds, size))
        return built


class Lucene(Contender):
    name = "Lucene 9.10"
    warm_up_rounds = 100  # of every kind, until Java has compiled what matters

    def prepare(self):
        folder = unpack("lucene", LUCENE_SUITE, ["liblucene9-java"])
        jar = find(folder, "lucene9.jar")
        java = self.java()
        classes = os.path.join(folder, "classes")
        services = os.path.join(classes, "META-INF", "services")
        os.makedirs(services, exist_ok=True)
        for service, providers in SERVICES.items():
            with open(os.path.join(services, service), "w", encoding="ascii") as out:
                out.writelines(f"org.apache.lucene.codecs.{name}\n" for name in providers)
        call(*java, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-nowarn", "-cp", jar,
             "-d", classes, os.path.join(HERE, "LuceneSearch.java"))
        # Debian's jar also lacks the classes for reading through Java 21's memory segments.
        memory_segments = "-Dorg.apache.lucene.store.MMapDirectory.enableMemorySegments"
        self.command = [*java, f"{memory_segments}=false", "-Xlog:disable",
                        "-Xlog:all=warning:stderr", "-XX:+UseSerialGC", "-Xmx2g",
                        "-cp", f"{classes}:{jar}", "LuceneSearch"]

    @staticmethod
    def java():
        """The system's Java 21 or later; else Debian 13's, with the C library it wants where this
        system's is older: the loader stands beside `java` because Java looks for itself there."""
        if shutil.which("java"):
            version = subprocess.run(["java", "-version"], capture_output=True, text=True,
                                     check=False).stderr
            found = re.search(r'version "(\d+)', version)
            if found and int(found[1]) >= 21:
                return ["java"]
        folder = unpack("java", LUCENE_SUITE, ["openjdk-21-jre-headless", "libc6", "libgcc-s1",
                                               "libstdc++6", "zlib1g"])
        java = find(folder, "bin/java")
        try:
            call(java, "-version")
            return [java]
        except Missing:
            libc = os.path.dirname(find(folder, "libc.so.6"))
            loader = os.path.join(os.path.dirname(java), "ld.so")
            shutil.copy(find(folder, "ld-linux-*.so.*"), loader)
            libraries = os.path.join(os.path.dirname(os.path.dirname(java)), "lib")
            command = [loader, "--library-path", f"{libc}:{libraries}", java]
            call(*command, "-version")
            return command


class Xapian(Contender):
    name = "Xapian 1.4"

    def served(self, index):
        return index + ".compact"

    def prepare(self):
        self.command = [os.path.join(WORK, "xapian_search")]
        flags = ["-lxapian"]
        if not os.path.exists("/usr/include/xapian.h"):
            folder = unpack("xapian", release("VERSION_CODENAME"), ["libxapian-dev", "libxapian30"])
            library = os.path.dirname(find(folder, "libxapian.so"))
            flags = [f"-I{folder}/usr/include", f"-L{library}", f"-Wl,-rpath,{library}", *flags]
        call("g++", "-O2", "-o", *self.command, os.path.join(HERE, "xapian_search.cc"), *flags)


class Fts5(Contender):
    name = "SQLite FTS5"
    is_slow = True

    def prepare(self):
        self.command = [os.path.join(WORK, "fts5_search")]
        flags = ["-lsqlite3"]
        if not os.path.exists("/usr/include/sqlite3.h"):
            folder = unpack("sqlite", release("VERSION_CODENAME"), ["libsqlite3-dev",
                                                                    "libsqlite3-0"])
            library = os.path.dirname(find(folder, "libsqlite3.so"))
            flags = [f"-I{folder}/usr/include", f"-L{library}", f"-Wl,-rpath,{library}", *flags]
        call("gcc", "-O2", f"-I{ROOT}", "-o", *self.command, os.path.join(HERE, "fts5_search.c"),
             *flags)


ALL = {"forklore": Forklore, "lucene": Lucene, "xapian": Xapian, "fts5": Fts5}
