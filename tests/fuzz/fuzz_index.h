/* SPDX-License-Identifier: MIT
 *
 * Small sound indexes for fuzz targets: built from a dump and from an edge list, in memory.
 */
#ifndef FORKLORE_TESTS_FUZZ_FUZZ_INDEX_H
#define FORKLORE_TESTS_FUZZ_FUZZ_INDEX_H

#include "tests/fixture_rank.h"
#include "tests/fuzz/fuzz.h"

#include "coordinator/build/build.h"
#include "ipc/rpc.h"

#include <sys/stat.h>

static const char fuzz_dump[] =
    "<mediawiki><siteinfo><sitename>Fuzz</sitename><dbname>fuzz</dbname>"
    "<case>first-letter</case></siteinfo>\n"
    "<page><title>Anchor</title><ns>0</ns><id>1</id><revision><text>An '''anchor''' holds a "
    "[[Ship]] and a [[boat]]. Anchors are heavy.</text></revision></page>\n"
    "<page><title>Ship</title><ns>0</ns><id>2</id><revision><text>A ship has an [[anchor]], a "
    "[[Mast|mast]] and a crew.</text></revision></page>\n"
    "<page><title>\xc3\x89toile</title><ns>0</ns><id>3</id><revision><text>Stars: [[Ship]] sails "
    "by the star \xe6\x98\x9f\xe5\xba\xa7</text></revision></page>\n"
    "<page><title>Mast</title><ns>0</ns><id>4</id><revision><text>A mast; see [[Boat]] and "
    "[[\xc3\x89toile]].</text></revision></page>\n"
    "<page><title>Boot</title><ns>0</ns><id>5</id><revision><text>#REDIRECT [[Ship]]"
    "</text></revision></page>\n"
    "<page><title>Boat</title><ns>0</ns><id>6</id><redirect title=\"Ship\"/></page>\n"
    "</mediawiki>\n";
static const char fuzz_edges[] = "1 2\n2 3\n3 1\n1 3\n7 1\n3 9\n";

/* A heap copy of the built image, whole file. */
static inline char *fuzz_image(enum build_kind kind, bool no_search, size_t *bytes)
{
    const char *input = kind == BUILD_DUMP ? fuzz_dump : fuzz_edges;
    char output[64];
    struct fault why = {""};
    struct build_report report;
    struct stat status;
    snprintf(output, sizeof output, "/tmp/forklore-fuzz-%d.flk", getpid());
    const struct build_options options = {.kind = kind,
                                          .input = fuzz_file(input, strlen(input)),
                                          .output = output,
                                          .quiet = true,
                                          .no_search = no_search,
                                          .rank = rank_by_links_in};
    if (build_index(&options, &report, &why)) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
    int fd = open(output, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && fstat(fd, &status) == 0);
    *bytes = (size_t)status.st_size;
    char *image =
        aligned_alloc(LAYOUT_ALIGN, (*bytes + LAYOUT_ALIGN - 1) / LAYOUT_ALIGN * LAYOUT_ALIGN);
    MUST(image && read(fd, image, *bytes) == status.st_size);
    close(fd);
    unlink(output);
    return image;
}

/* {code, message}, and both of them text. */
static inline void fuzz_check_error(struct wire_in in)
{
    uint32_t count;
    MUST(wire_get_map(&in, &count) && count == 2);
    for (unsigned i = 0; i < 2 * count; i++) {
        const char *text;
        size_t length;
        MUST(wire_get_text(&in, &text, &length) && fuzz_is_utf8(text, length));
    }
}

/* What answers must be, whatever was asked: one whole response with this msgid. */
static inline void fuzz_check_answer(const char *data, size_t bytes, uint64_t expected)
{
    struct wire_in in = wire_in(data, bytes), whole = in;
    uint32_t fields;
    uint64_t type, msgid;
    MUST(wire_skip(&whole) && whole.at == whole.end);
    MUST(wire_get_array(&in, &fields) && fields == 4);
    MUST(wire_get_uint(&in, &type) && type == RPC_RESPONSE);
    MUST(wire_get_uint(&in, &msgid) && msgid == expected);
    const bool is_result = wire_type(&in) == WIRE_NIL;
    if (!is_result)
        fuzz_check_error(in);
    MUST(wire_skip(&in) && (is_result || wire_type(&in) == WIRE_NIL));
}

#endif
