/* SPDX-License-Identifier: MIT */
#include "coordinator/oneshot.h"

#include "coordinator/generate/generate.h"
#include "coordinator/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_FAILED = 4 };

static int failed(const char *text)
{
    fprintf(stderr, "forklored: %s\n", text);
    return EXIT_FAILED;
}

static int misused(const char *command, const char *what)
{
    fprintf(stderr, "forklored %s: %s\nTry `forklored %s --help`.\n", command, what, command);
    return EXIT_USAGE;
}

/* --- build ----------------------------------------------------------------------------------- */

static const char build_help[] =
    "Usage: forklored build DUMP -o INDEX [OPTION]...\n"
    "\n"
    "Builds an index from a MediaWiki XML dump (.xml, .xml.bz2, .xml.gz) or a graph.\n"
    "\n"
    "  -o, --output INDEX   the file to write; replaced only when the new one is complete\n"
    "      --edges          the input is an edge list or a Matrix Market file\n"
    "      --level N        zstd level of the articles' text, 1 to 19 (default 3)\n"
    "      --stem LANGUAGE  search by the stems of words, as Snowball has them: english, german, "
    "…\n"
    "      --no-search      no full-text search: a smaller index, sooner\n"
    "      --json           the report as JSON\n"
    "  -q, --quiet          no progress and no report\n"
    "  -h, --help\n";

static int run_build(const struct build_options *options, bool json)
{
    struct build_report report;
    struct fault why;
    if (build_index(options, &report, &why) < 0)
        return failed(why.text);
    if (!options->quiet || json)
        build_report_print(&report, stdout, json);
    return 0;
}

int oneshot_build(int argc, char **argv)
{
    enum { OPT_EDGES = 256, OPT_LEVEL, OPT_STEM, OPT_NO_SEARCH, OPT_JSON };
    static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"edges", no_argument, NULL, OPT_EDGES},
        {"level", required_argument, NULL, OPT_LEVEL},
        {"stem", required_argument, NULL, OPT_STEM},
        {"no-search", no_argument, NULL, OPT_NO_SEARCH},
        {"json", no_argument, NULL, OPT_JSON},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct build_options options = {.rank = oneshot_rank};
    bool json = false;
    uint64_t level;
    int option;
    while ((option = getopt_long(argc, argv, "o:qh", long_options, NULL)) != -1) {
        switch (option) {
        case 'o':
            options.output = optarg;
            break;
        case OPT_EDGES:
            options.kind = BUILD_GRAPH;
            break;
        case OPT_LEVEL:
            if (!options_number(optarg, 10, 1, 19, &level))
                return misused("build", "--level takes a number from 1 to 19");
            options.zstd_level = (int)level;
            break;
        case OPT_STEM:
            if (!*optarg)
                return misused("build", "--stem takes the name of a language");
            options.stem = optarg;
            break;
        case OPT_NO_SEARCH:
            options.no_search = true;
            break;
        case OPT_JSON:
            json = true;
            break;
        case 'q':
            options.quiet = true;
            break;
        case 'h':
            fputs(build_help, stdout);
            return 0;
        default:
            return misused("build", "see above");
        }
    }
    if (optind + 1 != argc)
        return misused("build", "one dump is needed");
    if (!options.output)
        return misused("build", "-o INDEX is needed");
    if (options.stem && options.no_search)
        return misused("build", "--stem is for the search that --no-search leaves out");
    options.input = argv[optind];
    return run_build(&options, json);
}

/* --- generate -------------------------------------------------------------------------------- */

static const char generate_help[] =
    "Usage: forklored generate wiki [-o FILE] [--pages N] [--words N] [--links N] [--seed N]\n"
    "       forklored generate kronecker|uniform [-o FILE] [--scale S] [--degree D] [--seed N]\n"
    "\n"
    "Writes a made-up wiki as a MediaWiki dump, or a graph of the GAP benchmark suite as an edge\n"
    "list: the same bytes for the same numbers, everywhere.\n"
    "\n"
    "  -o, --output FILE    default: standard output\n"
    "      --pages N        articles, default 20000\n"
    "      --words N        of an article on average, default 200\n"
    "      --links N        of an article on average, default 12\n"
    "      --scale S        2^S vertices, default 16\n"
    "      --degree D       D * 2^S undirected edges, default 16\n"
    "      --seed N         default 1\n"
    "  -h, --help\n";

struct generate_request {
    const char *output;
    struct wiki_recipe wiki;
    struct graph_recipe graph;
};

static int parse_generate(struct generate_request *request, int argc, char **argv)
{
    enum { OPT_PAGES = 256, OPT_WORDS, OPT_LINKS, OPT_SCALE, OPT_DEGREE, OPT_SEED };
    static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"pages", required_argument, NULL, OPT_PAGES},
        {"words", required_argument, NULL, OPT_WORDS},
        {"links", required_argument, NULL, OPT_LINKS},
        {"scale", required_argument, NULL, OPT_SCALE},
        {"degree", required_argument, NULL, OPT_DEGREE},
        {"seed", required_argument, NULL, OPT_SEED},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    uint64_t number = 0;
    while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
        uint64_t least = 0, most = UINT32_MAX;
        if (option == OPT_PAGES)
            least = 2, most = 100000000;
        else if (option == OPT_SCALE)
            least = 1, most = 28;
        else if (option == OPT_DEGREE)
            least = 1, most = 1024;
        else if (option == OPT_SEED)
            most = UINT64_MAX;
        else if (option == OPT_WORDS || option == OPT_LINKS)
            most = 100000;
        if (option >= OPT_PAGES && !options_number(optarg, 10, least, most, &number))
            return misused("generate", "a number is out of range");
        switch (option) {
        case 'o':
            request->output = optarg;
            break;
        case OPT_PAGES:
            request->wiki.pages = (uint32_t)number;
            break;
        case OPT_WORDS:
            request->wiki.words_per_page = (uint32_t)number;
            break;
        case OPT_LINKS:
            request->wiki.links_per_page = (uint32_t)number;
            break;
        case OPT_SCALE:
            request->graph.scale = (unsigned)number;
            break;
        case OPT_DEGREE:
            request->graph.edge_factor = (unsigned)number;
            break;
        case OPT_SEED:
            request->wiki.seed = request->graph.seed = number;
            break;
        case 'h':
            fputs(generate_help, stdout);
            return -1;
        default:
            return misused("generate", "see above");
        }
    }
    return optind + 1 == argc ? 0
                              : misused("generate", "one of wiki, kronecker, uniform is needed");
}

static int generate_to(FILE *out, const char *what, struct generate_request *request,
                       struct fault *why)
{
    if (strcmp(what, "wiki") == 0)
        return generate_wiki(&request->wiki, out, why);
    request->graph.family = strcmp(what, "kronecker") == 0 ? GRAPH_KRONECKER : GRAPH_UNIFORM;
    return generate_graph(&request->graph, out, why);
}

int oneshot_generate(int argc, char **argv)
{
    struct generate_request request = {
        .wiki = WIKI_RECIPE_DEFAULT,
        .graph = {.scale = 16, .edge_factor = 16, .seed = 1},
    };
    int status = parse_generate(&request, argc, argv);
    if (status)
        return status < 0 ? 0 : status;
    const char *what = argv[optind];
    if (strcmp(what, "wiki") != 0 && strcmp(what, "kronecker") != 0 && strcmp(what, "uniform") != 0)
        return misused("generate", "one of wiki, kronecker, uniform is needed");
    FILE *out = request.output ? fopen(request.output, "we") : stdout;
    struct fault why;
    if (!out) {
        fault_errno(&why, errno, "cannot write %s", request.output);
        return failed(why.text);
    }
    struct stat output;
    bool is_file = request.output && fstat(fileno(out), &output) == 0 && S_ISREG(output.st_mode);
    int err = generate_to(out, what, &request, &why);
    if (out != stdout && fclose(out) != 0 && !err)
        err = fault_errno(&why, errno, "cannot write");
    if (!err)
        return 0;
    if (is_file)
        unlink(request.output);
    fprintf(stderr, "forklored: %s: %s\n", request.output ? request.output : "stdout", why.text);
    return EXIT_FAILED;
}

/* --- For the daemon -------------------------------------------------------------------------- */

static int generate_demo(struct fault *why)
{
    struct wiki_recipe recipe = WIKI_RECIPE_DEFAULT;
    const char *path = scratch_path(SCRATCH_DUMP);
    FILE *out = fopen(path, "we");
    if (!out)
        return fault_errno(why, errno, "cannot write %s", path);
    int err = generate_wiki(&recipe, out, why);
    if (fclose(out) != 0 && !err)
        err = fault_errno(why, errno, "cannot write %s", path);
    return err;
}

int oneshot_build_source(const struct serve_options *options)
{
    struct fault why;
    bool demo = options->source == SOURCE_DEMO;
    int err = scratch_make(&why);
    if (!err && demo)
        err = generate_demo(&why);
    if (err)
        return failed(why.text);
    struct build_options build = {
        .kind = options->source == SOURCE_EDGES ? BUILD_GRAPH : BUILD_DUMP,
        .input = demo ? scratch_path(SCRATCH_DUMP) : options->source_path,
        .output = scratch_path(SCRATCH_INDEX),
        .quiet = options->quiet,
        .rank = oneshot_rank,
    };
    return run_build(&build, false);
}
