/* SPDX-License-Identifier: MIT
 *
 * An index in memory for tests: pages, redirects, links and scores as the test gives them, page
 * elements in zstd blocks in a memory file. Header only, so that no test has to be told of it.
 */
#ifndef FORKLORE_TESTS_FIXTURE_INDEX_H
#define FORKLORE_TESTS_FIXTURE_INDEX_H

#include "shm/index.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#define FIXTURE_TEXT_OFFSET 4096 /* of the text section in the file */
#define FIXTURE_GENERATION  7

struct fixture_page {
    const char *title;   /* in normal form */
    const char *element; /* NULL in a fixture without text */
    uint64_t id;
    double score;
};

struct fixture_redirect {
    const char *title;
    uint32_t target;
};

struct fixture {
    struct index_view view;
    int fd; /* -1 without text */
    struct index_meta meta;
    struct rank_info info;
    struct page *pages;
    struct text_block *blocks;
    struct titles_built titles;
    struct graph_built graph;
    double *scores;
    uint32_t *order, *positions, *title_ranks, *minima;
};

static inline void *fixture_alloc(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);

    MUST(memory);
    return memory;
}

/* Two elements a block. */
static inline void fixture_text(struct fixture *f, const struct fixture_page *pages, uint32_t n)
{
    uint64_t offset = 0;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();

    MUST(zstd);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    f->fd = memfd_create("fixture", MFD_CLOEXEC);
    MUST(f->fd >= 0);
    f->blocks = fixture_alloc(n, sizeof *f->blocks);
    for (uint32_t first = 0; first < n; first += 2) {
        uint32_t end = first + 2 < n ? first + 2 : n;
        struct text_block *block = &f->blocks[f->view.block_count];
        char *raw = NULL;

        for (uint32_t v = first; v < end; v++) {
            f->pages[v].block = (uint32_t)f->view.block_count;
            f->pages[v].block_offset = block->raw_bytes;
            f->pages[v].element_bytes = (uint32_t)strlen(pages[v].element);
            raw = realloc(raw, block->raw_bytes + f->pages[v].element_bytes + (size_t)1);
            MUST(raw);
            memcpy(raw + block->raw_bytes, pages[v].element, f->pages[v].element_bytes);
            block->raw_bytes += f->pages[v].element_bytes;
        }
        size_t bound = ZSTD_compressBound(block->raw_bytes);
        void *stored = fixture_alloc(bound, 1);
        size_t bytes = ZSTD_compress2(zstd, stored, bound, raw, block->raw_bytes);
        MUST(!ZSTD_isError(bytes));
        MUST(pwrite(f->fd, stored, bytes, (off_t)(FIXTURE_TEXT_OFFSET + offset)) == (ssize_t)bytes);
        block->offset = offset;
        block->stored_bytes = (uint32_t)bytes;
        offset += bytes;
        f->view.block_count++;
        free(stored);
        free(raw);
    }
    ZSTD_freeCCtx(zstd);
    f->view.text_blocks = f->blocks;
    f->view.text_offset = FIXTURE_TEXT_OFFSET;
    f->view.text_bytes = offset;
}

static inline void fixture_rank(struct fixture *f, const struct fixture_page *pages, uint32_t n)
{
    uint32_t title_count = f->titles.view.count;

    f->scores = fixture_alloc(n, sizeof *f->scores);
    f->order = fixture_alloc(n, sizeof *f->order);
    f->positions = fixture_alloc(n, sizeof *f->positions);
    f->title_ranks = fixture_alloc(title_count, sizeof *f->title_ranks);
    f->minima = fixture_alloc((size_t)rank_minima_count(title_count), sizeof *f->minima);
    for (uint32_t v = 0; v < n; v++)
        f->scores[v] = pages[v].score;

    struct rank_arrays arrays = {&f->info,     f->scores,      f->order,
                                 f->positions, f->title_ranks, f->minima};
    struct fault why;
    MUST(rank_build(&arrays, f->pages, n, &f->titles.view, &why) == 0);
    f->view.rank = (struct rank_view){&f->info,       f->scores, f->order, f->positions,
                                      f->title_ranks, f->minima, n,        title_count};
}

/* Arcs are consumed. */
static inline void fixture_init(struct fixture *f, const struct fixture_page *pages, uint32_t n,
                                const struct fixture_redirect *redirects, uint32_t redirect_count,
                                struct arc_list *arcs, bool has_text)
{
    struct title_input *inputs = fixture_alloc(n + (size_t)redirect_count, sizeof *inputs);
    struct fault why;

    memset(f, 0, sizeof *f);
    f->fd = -1;
    f->pages = fixture_alloc(n, sizeof *f->pages);
    for (uint32_t i = 0; i < n + redirect_count; i++) {
        const char *title = i < n ? pages[i].title : redirects[i - n].title;
        uint32_t target = i < n ? i : redirects[i - n].target | TITLE_IS_REDIRECT;
        inputs[i] = (struct title_input){title, (uint32_t)strlen(title), target};
    }
    MUST(titles_build(&f->titles, inputs, n + redirect_count, true, &why) == 0);
    MUST(graph_build(&f->graph, n, arcs, &why) == 0);
    for (uint32_t v = 0; v < n; v++) {
        f->pages[v].id = pages[v].id;
        f->pages[v].title = f->titles.entry_of_input[v];
        f->pages[v].block = PAGE_NO_TEXT;
    }
    free(inputs);
    f->meta = (struct index_meta){.page_count = n,
                                  .title_count = n + redirect_count,
                                  .edge_count = f->graph.view.edge_count,
                                  .first_letter = 1,
                                  .has_text = has_text};
    f->view.meta = &f->meta;
    f->view.pages = f->pages;
    f->view.titles = f->titles.view;
    f->view.graph = f->graph.view;
    if (has_text)
        fixture_text(f, pages, n);
    fixture_rank(f, pages, n);
}

static inline void fixture_fini(struct fixture *f)
{
    if (f->fd >= 0)
        close(f->fd);
    titles_built_fini(&f->titles);
    graph_built_fini(&f->graph);
    free(f->pages);
    free(f->blocks);
    free(f->scores);
    free(f->order);
    free(f->positions);
    free(f->title_ranks);
    free(f->minima);
}

/* A small generator of its own, so that tests are the same everywhere. */
static inline uint32_t fixture_random(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 32) * below >> 32);
}

/* A random graph: most arcs from the lower half, so that there are dangling vertices, and parts
 * that cannot be reached. */
static inline void fixture_random_arcs(struct arc_list *arcs, uint64_t *state, uint32_t n,
                                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t source = fixture_random(state, n - n / 4);
        uint32_t target = fixture_random(state, fixture_random(state, n) + 1);
        MUST(arc_list_add(arcs, source, target) == 0);
    }
}

#endif
