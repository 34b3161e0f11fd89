/* SPDX-License-Identifier: MIT
 *
 * The phases of a build: read, titles, graph, layout, rank, write. Each hands its results to the
 * next through struct build_parts, and everything is given back as soon as no later phase needs it.
 */
#include "coordinator/build/build.h"

#include "coordinator/build/graph_input.h"
#include "coordinator/build/human.h"
#include "coordinator/build/nameless.h"
#include "coordinator/build/parts.h"
#include "coordinator/build/progress.h"
#include "coordinator/build/wiki.h"
#include "coordinator/processors.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

struct build {
    const struct build_options *options;
    struct build_report *report;
    struct progress progress;
    struct byte_source *source;
    struct build_parts parts;
    struct wiki *wiki;
    struct edge_graph edges;
    struct rank_info rank_info;
    struct rank_arrays rank;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- Reading ------------------------------------------------------------------------------ */

static void show_edges(void *owner, const struct byte_source *source)
{
    struct build *build = owner;
    progress_step(&build->progress, bytes_consumed(source), bytes_total(source), "%s edges",
                  human_count(build->edges.arcs.count).text);
}

/* The output takes the place of whatever has its name at the end: not of the input, and not of
 * /dev/null. */
static int check_paths(const struct build_options *options, struct fault *why)
{
    struct stat input, output;
    if (stat(options->output, &output) < 0)
        return 0;
    if (S_ISDIR(output.st_mode))
        return fault_set(why, EISDIR, "%s: is a directory, not a file", options->output);
    if (!S_ISREG(output.st_mode))
        return fault_set(why, EINVAL, "%s: not a regular file, which an index could replace",
                         options->output);
    if (stat(options->input, &input) == 0 && input.st_dev == output.st_dev &&
        input.st_ino == output.st_ino)
        return fault_set(why, EINVAL, "%s: the index would replace its own input", options->output);
    return 0;
}

/* Sorted runs of words go where the index will be: a folder with room for it. */
static int open_words(struct build *build, struct fault *why)
{
    char *folder = folder_of(build->options->output);
    if (!folder)
        return fault_set(why, ENOMEM, "out of memory");
    int rc = passage_writer_init(&build->parts.passages, folder, why);
    if (!rc)
        rc = word_thread_create(&build->parts.words, folder, build->options->stem,
                                &build->parts.passages, why);
    free(folder);
    return rc;
}

static int read_input(struct build *build, struct fault *why)
{
    const struct build_options *options = build->options;
    int rc = check_paths(options, why);
    if (!rc)
        rc = bytes_open(&build->source, options->input, why);
    /* A graph has no text, but its folder should be found wanting before the reading, too. */
    if (!rc)
        rc = text_writer_init(&build->parts.text, options->output, options->zstd_level, why);
    if (rc)
        return rc;

    progress_begin(&build->progress, "read", PROGRESS_BYTES);
    if (options->kind == BUILD_GRAPH) {
        rc = edges_read(build->source, &build->edges, show_edges, build, why);
        if (!rc)
            rc = text_writer_finish(&build->parts.text, why);
    } else {
        rc = wiki_create(&build->wiki, build->report, why);
        if (!rc && !options->no_search)
            rc = open_words(build, why);
        if (!rc)
            rc = wiki_read(build->wiki, build->source, &build->parts, &build->progress, why);
    }
    if (rc)
        return rc;
    build->report->input_bytes = bytes_consumed(build->source);
    bytes_close(&build->source);
    progress_end(&build->progress, "%s", human_bytes(build->report->input_bytes).text);
    return 0;
}

/* --- Titles and links --------------------------------------------------------------------- */

static int make_titles(struct build *build, struct fault *why)
{
    progress_begin(&build->progress, "titles", PROGRESS_COUNT);
    int rc = build->wiki ? wiki_titles(build->wiki, &build->parts, why)
                         : graph_titles(&build->edges, &build->parts, build->report,
                                        build->options->input, why);
    edge_graph_fini(&build->edges);
    if (!rc)
        progress_end(&build->progress, "%s titles",
                     human_count(build->parts.meta.title_count).text);
    return rc;
}

static int make_graph(struct build *build, struct fault *why)
{
    struct build_report *report = build->report;
    struct build_parts *parts = &build->parts;
    progress_begin(&build->progress, "graph", PROGRESS_COUNT);
    int rc = build->wiki ? wiki_arcs(build->wiki, parts, why) : 0;
    wiki_destroy(&build->wiki);
    if (!rc)
        rc = graph_build(&parts->graph, parts->meta.page_count, &parts->arcs, why);
    if (rc)
        return rc;
    parts->meta.edge_count = report->edges = parts->graph.view.edge_count;
    report->links_self += parts->graph.self_links;
    report->links_repeated =
        report->links[LINK_PAGE] - report->links_missing - report->links_self - report->edges;
    progress_end(&build->progress, "%s links", human_count(report->edges).text);
    return 0;
}

/* The same links as PageRank reads them. */
static int make_layout(struct build *build, struct fault *why)
{
    struct build_parts *parts = &build->parts;
    progress_begin(&build->progress, "layout", PROGRESS_COUNT);
    int rc = spmv_build(&parts->spmv, &parts->graph.view, processors_usable(), why);
    if (!rc)
        progress_end(&build->progress, "%s", human_bytes(2 * parts->spmv.info.word_count).text);
    return rc;
}

/* --- Words -------------------------------------------------------------------------------- */

static int make_search(struct build *build, struct fault *why)
{
    struct build_parts *parts = &build->parts;
    if (!parts->words)
        return 0;
    progress_begin(&build->progress, "search", PROGRESS_COUNT);
    int rc = word_thread_finish(parts->words, &parts->search, why);
    word_thread_destroy(&parts->words);
    if (rc)
        return rc;
    MUST(parts->search.page_count == parts->meta.page_count);
    parts->search.info.ids_ascend = 1;
    for (uint32_t v = 1; v < parts->meta.page_count; v++)
        if (parts->pages[v].id <= parts->pages[v - 1].id)
            parts->search.info.ids_ascend = 0;
    progress_end(&build->progress, "%s words", human_count(parts->search.info.words).text);
    return 0;
}

/* --- Scores ------------------------------------------------------------------------------- */

static struct index_view view_parts(const struct build_parts *parts)
{
    return (struct index_view){
        .meta = &parts->meta,
        .pages = parts->pages,
        .text_blocks = parts->text.blocks,
        .block_count = parts->text.block_count,
        .text_bytes = parts->text.stored_bytes,
        .titles = parts->titles.view,
        .graph = parts->graph.view,
        .spmv = parts->spmv.view,
    };
}

static int make_ranks(struct build *build, struct fault *why)
{
    uint32_t pages = build->parts.meta.page_count, titles = build->parts.meta.title_count;
    struct rank_arrays *rank = &build->rank;
    *rank = (struct rank_arrays){
        .info = &build->rank_info,
        .scores = calloc(pages, sizeof(*rank->scores)),
        .order = calloc(pages, sizeof(*rank->order)),
        .positions = calloc(pages, sizeof(*rank->positions)),
        .title_ranks = calloc(titles, sizeof(*rank->title_ranks)),
        .minima = calloc(rank_minima_count(titles), sizeof(*rank->minima)),
    };
    if (!rank->scores || !rank->order || !rank->positions || !rank->title_ranks || !rank->minima)
        return fault_set(why, ENOMEM, "out of memory for the scores of %" PRIu32 " pages", pages);
    progress_begin(&build->progress, "rank", PROGRESS_COUNT);
    struct index_view view = view_parts(&build->parts);
    int rc = build->options->rank(build->options->rank_owner, &view, rank, why);
    if (!rc)
        progress_end(&build->progress, "%" PRIu32 " iterations", build->rank_info.iterations);
    return rc;
}

/* --- Writing ------------------------------------------------------------------------------ */

void meta_string(char *field, size_t capacity, const char *string)
{
    size_t length = strlen(string ? string : "");
    if (length >= capacity) {
        length = capacity - 1;
        while (length > 0 && ((unsigned char)string[length] & 0xc0) == 0x80)
            length--;
    }
    memset(field, 0, capacity);
    if (length)
        memcpy(field, string, length);
}

static void fill_meta(struct build *build)
{
    struct index_meta *meta = &build->parts.meta;
    const char *slash = strrchr(build->options->input, '/');
    meta->has_text = build->options->kind == BUILD_DUMP;
    meta->built_unix_s = (uint64_t)time(NULL);
    meta->source_bytes = build->report->dump_bytes;
    meta_string(meta->source, sizeof(meta->source), slash ? slash + 1 : build->options->input);
}

static int write_output(struct build *build, struct fault *why)
{
    const struct build_parts *parts = &build->parts;
    const struct titles_view *titles = &parts->titles.view;
    const struct graph_view *graph = &parts->graph.view;
    const struct rank_arrays *rank = &build->rank;
    const struct spmv_view *spmv = &parts->spmv.view;
    const struct spmv_info *info = &parts->spmv.info;
    uint64_t n = parts->meta.page_count, t = parts->meta.title_count, m = graph->edge_count;
    const struct text_block no_blocks = {0};
    const struct postings_built *search = &parts->search;
    const struct word_block no_words = {0};
    const struct passage_writer *passages = &parts->passages;

    progress_begin(&build->progress, "write", PROGRESS_COUNT);
    fill_meta(build);
#define PART(section, pointer, count)                                                              \
    {                                                                                              \
        .kind = SECTION_##section, .data = (pointer), .fd = -1,                                    \
        .bytes = (count) * sizeof(*(pointer))                                                      \
    }
#define LENGTHS(section, field)                                                                    \
    {                                                                                              \
        .kind = SECTION_##section, .data = search->lengths[field].data, .fd = -1,                  \
        .bytes = n * search->lengths[field].width                                                  \
    }
    struct image_part sections[] = {
        PART(META, &parts->meta, 1),
        PART(PAGES, parts->pages, n),
        PART(TEXT_BLOCKS, parts->text.blocks ? parts->text.blocks : &no_blocks,
             parts->text.block_count),
        PART(TITLE_OFFSETS, titles->offsets, t + 1),
        PART(TITLE_BYTES, titles->bytes, parts->titles.title_bytes),
        PART(FOLD_OFFSETS, titles->fold_offsets, t + 1),
        PART(FOLD_BYTES, titles->fold_bytes, parts->titles.fold_bytes),
        PART(TITLE_TARGETS, titles->targets, t),
        PART(TITLE_HASH, titles->slots, (uint64_t)titles->slot_mask + 1),
        PART(OUT_OFFSETS, graph->out_offsets, n + 1),
        PART(OUT_TARGETS, graph->out_targets, m),
        PART(IN_OFFSETS, graph->in_offsets, n + 1),
        PART(IN_SOURCES, graph->in_sources, m),
        PART(SPMV_INFO, info, 1),
        PART(SPMV_POSITIONS, spmv->positions, n),
        PART(SPMV_DEGREES, spmv->degrees, (uint64_t)info->source_count),
        PART(SPMV_START, spmv->start, n),
        PART(SPMV_BLOCKS, spmv->blocks, (uint64_t)info->block_count + 1),
        PART(SPMV_TILES, spmv->tiles, (uint64_t)info->block_count * info->segment_count + 1),
        PART(SPMV_WORDS, spmv->words, info->word_count),
        PART(RANK_INFO, rank->info, 1),
        PART(SCORES, rank->scores, n),
        PART(RANK_ORDER, rank->order, n),
        PART(RANK_POSITIONS, rank->positions, n),
        PART(TITLE_RANKS, rank->title_ranks, t),
        PART(TITLE_MINIMA, rank->minima, rank_minima_count((uint32_t)t)),
        PART(SEARCH_INFO, &search->info, 1),
        LENGTHS(BODY_LENGTHS, FIELD_BODY),
        LENGTHS(NAME_LENGTHS, FIELD_NAME),
        PART(WORD_BLOCKS, search->blocks ? search->blocks : &no_words, search->block_count),
        PART(WORD_BYTES, search->word_bytes.data, search->word_bytes.bytes),
        PART(POSTINGS, search->postings.data, search->postings.bytes),
        PART(POSITIONS, search->positions.data, search->positions.bytes),
        PART(PASSAGE_PAGES, passages->pages, n + 1),
        PART(PASSAGES, passages->passages, passages->count + 1),
        PART(PASSAGE_DICTIONARY, passages->dictionary, passages->dictionary_bytes),
        {.kind = SECTION_PASSAGE_BYTES,
         .fd = passages->fd,
         .bytes = passages->stored_bytes,
         .xxh64 = passages->xxh64},
        {.kind = SECTION_TEXT,
         .fd = parts->text.fd,
         .bytes = parts->text.stored_bytes,
         .xxh64 = parts->text.xxh64},
    };
#undef PART
#undef LENGTHS
    size_t section_count = sizeof(sections) / sizeof(sections[0]);
    if (!search->lengths[FIELD_BODY].data) {
        /* Without search: the text follows what there is otherwise. */
        const size_t absent = SECTION_PASSAGE_BYTES - SECTION_SEARCH_INFO + 1;
        sections[section_count - 1 - absent] = sections[section_count - 1];
        section_count -= absent;
    }

    struct image_header header;
    int rc = image_plan(&header, sections, section_count, why);
    if (!rc)
        rc = image_write(build->options->output, &header, sections, section_count, why);
    if (rc)
        return rc;
    struct build_report *report = build->report;
    report->section_count = header.section_count;
    memcpy(report->sections, header.sections, section_count * sizeof(header.sections[0]));
    report->file_bytes = header.total_bytes;
    progress_end(&build->progress, "%s", human_bytes(report->file_bytes).text);
    return 0;
}

/* ------------------------------------------------------------------------------------------ */

static void build_fini(struct build *build)
{
    progress_abandon(&build->progress);
    bytes_close(&build->source);
    wiki_destroy(&build->wiki);
    edge_graph_fini(&build->edges);
    text_writer_fini(&build->parts.text);
    free(build->parts.pages);
    titles_built_fini(&build->parts.titles);
    arc_list_fini(&build->parts.arcs);
    graph_built_fini(&build->parts.graph);
    spmv_built_fini(&build->parts.spmv);
    word_thread_destroy(&build->parts.words);
    postings_built_fini(&build->parts.search);
    passage_writer_fini(&build->parts.passages);
    free(build->rank.scores);
    free(build->rank.order);
    free(build->rank.positions);
    free(build->rank.title_ranks);
    free(build->rank.minima);
}

static int run_phase(int (*phase)(struct build *, struct fault *), struct build *build,
                     double *seconds, struct fault *why)
{
    double start = now_s();
    int rc = phase(build, why);
    *seconds = now_s() - start;
    return rc;
}

int build_index(const struct build_options *options, struct build_report *report, struct fault *why)
{
    MUST(options->rank);
    *report = (struct build_report){0};
    struct build build = {
        .options = options,
        .report = report,
        .progress = {.out = stderr, .quiet = options->quiet},
        .parts = {.text = TEXT_WRITER_NONE, .passages = {.fd = -1}},
    };
    double start = now_s();
    int rc = run_phase(read_input, &build, &report->read_s, why);
    if (!rc)
        rc = run_phase(make_titles, &build, &report->titles_s, why);
    if (!rc)
        rc = run_phase(make_graph, &build, &report->graph_s, why);
    if (!rc)
        rc = run_phase(make_layout, &build, &report->layout_s, why);
    if (!rc)
        rc = run_phase(make_search, &build, &report->search_s, why);
    if (!rc)
        rc = run_phase(make_ranks, &build, &report->rank_s, why);
    if (!rc)
        rc = run_phase(write_output, &build, &report->write_s, why);
    build_fini(&build);

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    report->peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024;
    report->total_s = now_s() - start;
    return rc;
}
