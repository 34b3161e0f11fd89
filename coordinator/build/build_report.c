/* SPDX-License-Identifier: MIT
 *
 * What a build did, for people (one screen) and for programs (one JSON object).
 */
#include "coordinator/build/build.h"
#include "coordinator/build/human.h"

#include <inttypes.h>

static const char *const link_words[LINK_KIND_COUNT] = {
    [LINK_PAGE] = "to pages",
    [LINK_NAMESPACE] = "to other namespaces",
    [LINK_INTERWIKI] = "to other wikis",
    [LINK_SECTION] = "within the page",
    [LINK_INVALID] = "invalid",
};

static const char *const link_keys[LINK_KIND_COUNT] = {
    [LINK_PAGE] = "page",       [LINK_NAMESPACE] = "namespace", [LINK_INTERWIKI] = "interwiki",
    [LINK_SECTION] = "section", [LINK_INVALID] = "invalid",
};

static void print_count(FILE *out, const char *what, uint64_t value)
{
    fprintf(out, "  %-24s %15s\n", what, human_count(value).text);
}

static void print_pages(const struct build_report *report, FILE *out)
{
    fprintf(out, "pages\n");
    print_count(out, "read", report->pages_seen);
    print_count(out, "redirects among them", report->redirects_seen);
    print_count(out, "in the index", report->pages);
    print_count(out, "redirects to them", report->redirects);
    print_count(out, "redirects to nowhere", report->redirects_dropped);
    print_count(out, "duplicate titles dropped", report->duplicate_titles);
}

static void print_links(const struct build_report *report, FILE *out)
{
    uint64_t all = 0;
    for (unsigned kind = 0; kind < LINK_KIND_COUNT; kind++)
        all += report->links[kind];
    fprintf(out, "links\n");
    print_count(out, "read", all);
    print_count(out, "in the index", report->edges);
    fprintf(out, "links dropped\n");
    print_count(out, "repeated", report->links_repeated);
    print_count(out, "to missing pages", report->links_missing);
    print_count(out, "to the page itself", report->links_self);
    for (unsigned kind = LINK_PAGE + 1; kind < LINK_KIND_COUNT; kind++)
        print_count(out, link_words[kind], report->links[kind]);
}

/* Two columns, so that a report stays on one screen. */
static void print_sections(const struct build_report *report, FILE *out)
{
    fprintf(out, "sections\n");
    unsigned rows = (report->section_count + 1) / 2;
    for (unsigned row = 0; row < rows; row++) {
        const struct section *left = &report->sections[row];
        fprintf(out, "  %-16s %10s", section_name(left->kind), human_bytes(left->bytes).text);
        if (row + rows < report->section_count)
            fprintf(out, "    %-16s %10s", section_name(left[rows].kind),
                    human_bytes(left[rows].bytes).text);
        fputc('\n', out);
    }
}

static void print_human(const struct build_report *report, FILE *out)
{
    print_pages(report, out);
    print_links(report, out);
    print_sections(report, out);
    fprintf(out,
            "seconds %.2f\n  read %.2f  titles %.2f  graph %.2f  layout %.2f  search %.2f\n"
            "  rank %.2f  write %.2f\n",
            report->total_s, report->read_s, report->titles_s, report->graph_s, report->layout_s,
            report->search_s, report->rank_s, report->write_s);
    fprintf(out, "bytes\n  input %s", human_bytes(report->input_bytes).text);
    if (report->dump_bytes)
        fprintf(out, "  dump %s", human_bytes(report->dump_bytes).text);
    fprintf(out, "  index %s  peak memory %s\n", human_bytes(report->file_bytes).text,
            human_bytes(report->peak_rss_bytes).text);
}

static void print_json(const struct build_report *report, FILE *out)
{
    fprintf(out,
            "{\"input_bytes\":%" PRIu64 ",\"dump_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64
            ",\"peak_rss_bytes\":%" PRIu64,
            report->input_bytes, report->dump_bytes, report->file_bytes, report->peak_rss_bytes);
    fprintf(out,
            ",\"pages_seen\":%" PRIu64 ",\"redirects_seen\":%" PRIu64 ",\"pages\":%" PRIu64
            ",\"redirects\":%" PRIu64 ",\"redirects_dropped\":%" PRIu64
            ",\"duplicate_titles\":%" PRIu64,
            report->pages_seen, report->redirects_seen, report->pages, report->redirects,
            report->redirects_dropped, report->duplicate_titles);
    fputs(",\"links\":{", out);
    for (unsigned kind = 0; kind < LINK_KIND_COUNT; kind++)
        fprintf(out, "%s\"%s\":%" PRIu64, kind ? "," : "", link_keys[kind], report->links[kind]);
    fprintf(out,
            "},\"edges\":%" PRIu64 ",\"links_missing\":%" PRIu64 ",\"links_self\":%" PRIu64
            ",\"links_repeated\":%" PRIu64,
            report->edges, report->links_missing, report->links_self, report->links_repeated);
    fputs(",\"sections\":{", out);
    for (unsigned i = 0; i < report->section_count; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", section_name(report->sections[i].kind),
                report->sections[i].bytes);
    fprintf(out,
            "},\"seconds\":{\"read\":%.3f,\"titles\":%.3f,\"graph\":%.3f,\"layout\":%.3f,"
            "\"search\":%.3f,\"rank\":%.3f,"
            "\"write\":%.3f,\"total\":%.3f}}\n",
            report->read_s, report->titles_s, report->graph_s, report->layout_s, report->search_s,
            report->rank_s, report->write_s, report->total_s);
}

void build_report_print(const struct build_report *report, FILE *out, bool json)
{
    if (json)
        print_json(report, out);
    else
        print_human(report, out);
}
