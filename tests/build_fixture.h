/* SPDX-License-Identifier: MIT
 *
 * What the tests of the index builder share: a folder of their own, small dumps, a build with a
 * stand-in for PageRank, and the finished index mapped and verified.
 */
#ifndef FORKLORE_TESTS_BUILD_FIXTURE_H
#define FORKLORE_TESTS_BUILD_FIXTURE_H

#include "coordinator/build/build.h"
#include "tests/fixture_rank.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <cmocka.h>

#define HEAD(case_rule)                                                                            \
    "<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.10/\" version=\"0.10\">\n"           \
    "<siteinfo><sitename>Test wiki</sitename><dbname>testwiki</dbname>"                            \
    "<case>" case_rule "</case><namespaces>"                                                       \
    "<namespace key=\"0\" case=\"" case_rule "\"/><namespace key=\"1\">Talk</namespace>"           \
    "<namespace key=\"6\">File</namespace><namespace key=\"14\">Category</namespace>"              \
    "</namespaces></siteinfo>\n"
#define TAIL "</mediawiki>\n"

#define NS_PAGE(ns, title, id, inner)                                                              \
    "<page>\n<title>" title "</title><ns>" #ns "</ns><id>" #id "</id>" inner "\n</page>"
#define REVISION(text)          "<revision><id>7</id><text xml:space=\"preserve\">" text "</text></revision>"
#define PAGE(title, id, text)   NS_PAGE(0, title, id, REVISION(text)) "\n"
#define REDIRECT(title, id, to) NS_PAGE(0, title, id, "<redirect title=\"" to "\" />") "\n"

static char folder[] = "/tmp/forklore-build-XXXXXX";

static inline const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline unsigned count_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static inline int remove_folder(void **state)
{
    (void)state;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    return rmdir(folder);
}

static inline const char *write_bytes(const char *name, const char *bytes, size_t length)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

static inline struct build_options options_for(enum build_kind kind, const char *input,
                                               const char *output)
{
    return (struct build_options){
        .kind = kind, .input = input, .output = output, .quiet = true, .rank = rank_by_links_in};
}

struct opened {
    struct image_header *image;
    size_t bytes;
    struct index_view view;
};

/* Maps an index file and verifies structure and checksums. */
static inline void open_index(struct opened *opened, const char *path)
{
    struct fault why = {""};
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    opened->bytes = (size_t)status.st_size;
    opened->image = mmap(NULL, opened->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    assert_true(opened->image != MAP_FAILED);
    if (image_check_header(opened->image, opened->bytes, path, &why) ||
        index_bind(&opened->view, opened->image, path, &why) ||
        index_verify(&opened->view, path, &why))
        fail_msg("%s", why.text);
    for (uint32_t i = 0; i < opened->image->section_count; i++) {
        const struct section *section = &opened->image->sections[i];
        const char *bytes = (const char *)opened->image + section->offset;
        if (XXH64(bytes, section->bytes, 0) != section->xxh64)
            fail_msg("%s: wrong checksum of %s", path, section_name(section->kind));
    }
}

static inline void close_index(struct opened *opened)
{
    munmap(opened->image, opened->bytes);
}

static inline void build_ok(struct build_report *report, enum build_kind kind, const char *input,
                            struct opened *opened)
{
    struct fault why = {""};
    char output[256];
    snprintf(output, sizeof(output), "%s", in_folder("out.flk"));
    struct build_options options = options_for(kind, input, output);
    if (build_index(&options, report, &why))
        fail_msg("%s", why.text);
    open_index(opened, output);
    /* Every link is accounted for. */
    assert_int_equal(report->links[LINK_PAGE], report->edges + report->links_missing +
                                                   report->links_self + report->links_repeated);
    assert_int_equal(report->edges, opened->view.graph.edge_count);
    assert_int_equal(report->pages, opened->view.meta->page_count);
    assert_int_equal(report->file_bytes, opened->bytes);
}

static inline void build_dump(struct build_report *report, const char *dump, struct opened *opened)
{
    build_ok(report, BUILD_DUMP, write_text("dump.xml", dump), opened);
}

/* The vertex of a title, or UINT32_MAX. */
static inline uint32_t vertex_of(const struct opened *opened, const char *title)
{
    uint32_t entry = titles_find(&opened->view.titles, title, strlen(title));
    return entry == TITLE_NONE ? UINT32_MAX : titles_vertex(&opened->view.titles, entry);
}

static inline bool is_redirect(const struct opened *opened, const char *title)
{
    uint32_t entry = titles_find(&opened->view.titles, title, strlen(title));
    assert_int_not_equal(entry, TITLE_NONE);
    return titles_is_redirect(&opened->view.titles, entry);
}

static inline bool has_edge(const struct opened *opened, const char *from, const char *to)
{
    const struct graph_view *graph = &opened->view.graph;
    uint32_t source = vertex_of(opened, from), target = vertex_of(opened, to);
    assert_int_not_equal(source, UINT32_MAX);
    assert_int_not_equal(target, UINT32_MAX);
    for (uint64_t i = graph->out_offsets[source]; i < graph->out_offsets[source + 1]; i++)
        if (graph->out_targets[i] == target)
            return true;
    return false;
}

/* The page's element, unpacked from its block; the caller frees it. */
static inline char *element_of(const struct opened *opened, uint32_t vertex, size_t *length)
{
    const struct page *page = &opened->view.pages[vertex];
    assert_true(page->block < opened->view.block_count);
    const struct text_block *block = &opened->view.text_blocks[page->block];
    const char *stored = (const char *)opened->image + opened->view.text_offset + block->offset;
    char *raw = malloc(block->raw_bytes);
    assert_non_null(raw);
    assert_int_equal(ZSTD_decompress(raw, block->raw_bytes, stored, block->stored_bytes),
                     block->raw_bytes);
    assert_true((uint64_t)page->block_offset + page->element_bytes <= block->raw_bytes);
    memmove(raw, raw + page->block_offset, page->element_bytes);
    *length = page->element_bytes;
    return raw;
}

#endif
