/* SPDX-License-Identifier: MIT
 *
 * verify and info: what an index file holds and whether it is whole.
 */
#include "coordinator/oneshot.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { EXIT_USAGE = 2, EXIT_FAILED = 4 };

struct index_file {
    const char *path;
    const struct image_header *image; /* the whole file, mapped */
    size_t bytes;
};

static int open_index(struct index_file *file, const char *path, struct fault *why)
{
    *file = (struct index_file){.path = path};
    /* Opening a pipe without O_NONBLOCK waits for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fault_errno(why, errno, "cannot open %s", path);
    struct stat status;
    int err = 0;
    if (fstat(fd, &status) < 0)
        err = fault_errno(why, errno, "cannot stat %s", path);
    else if (!S_ISREG(status.st_mode) || (size_t)status.st_size < sizeof(struct image_header))
        err = fault_set(why, EINVAL, "%s: not a forklore index: %lld bytes", path,
                        (long long)status.st_size);
    if (!err) {
        file->bytes = (size_t)status.st_size;
        void *map = mmap(NULL, file->bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
            err = fault_errno(why, errno, "cannot map %s", path);
        else
            file->image = map;
    }
    close(fd);
    if (!err)
        err = image_check_header(file->image, file->bytes, path, why);
    return err;
}

static void close_index(struct index_file *file)
{
    if (file->image)
        munmap((void *)(uintptr_t)file->image, file->bytes);
}

static int check_sections(const struct index_file *file, struct fault *why)
{
    for (uint32_t s = 0; s < file->image->section_count; s++) {
        const struct section *section = &file->image->sections[s];
        uint64_t found = XXH64((const char *)file->image + section->offset, section->bytes, 0);
        if (found != section->xxh64)
            return fault_set(why, EBADMSG,
                             "%s: section %s (offset %" PRIu64 ", %" PRIu64
                             " bytes) is damaged: its checksum is %016" PRIx64 ", not %016" PRIx64,
                             file->path, section_name(section->kind), section->offset,
                             section->bytes, found, section->xxh64);
    }
    return 0;
}

static int verify(const struct index_file *file, bool json, struct fault *why)
{
    struct index_view view;
    int err = check_sections(file, why);
    if (!err)
        err = index_bind(&view, file->image, file->path, why);
    if (!err)
        err = index_verify(&view, file->path, why);
    if (err)
        return err;
    if (json)
        printf("{\"whole\":true,\"sections\":%u}\n", file->image->section_count);
    else
        printf("%s: whole, %u sections\n", file->path, file->image->section_count);
    return 0;
}

struct moment {
    char text[32];
};

static struct moment moment_of(uint64_t unix_s)
{
    struct moment moment = {""};
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    if (gmtime_r(&seconds, &utc))
        strftime(moment.text, sizeof moment.text, "%Y-%m-%d %H:%M:%S UTC", &utc);
    return moment;
}

static void print_text(const struct index_file *file, const struct index_view *view)
{
    const struct index_meta *meta = view->meta;
    printf("%s: forklore index, layout %u.%u, %zu bytes\n", file->path, file->image->version_major,
           file->image->version_minor, file->bytes);
    printf("  source   %s%s%s%s, %" PRIu64 " bytes\n", meta->source, *meta->site ? " (" : "",
           meta->site, *meta->site ? ")" : "", meta->source_bytes);
    printf("  built    %s\n", moment_of(meta->built_unix_s).text);
    printf("  pages    %" PRIu32 "\n  titles   %" PRIu32 "\n  edges    %" PRIu64 "\n",
           meta->page_count, meta->title_count, meta->edge_count);
    if (view->rank.info)
        printf("  ranks    damping %g, %u iterations, last change %.3g, %s\n",
               view->rank.info->damping, view->rank.info->iterations, view->rank.info->change,
               moment_of(view->rank.info->finished_unix_s).text);
    printf("  %-16s %14s %14s  %s\n", "section", "offset", "bytes", "xxh64");
    for (uint32_t s = 0; s < file->image->section_count; s++) {
        const struct section *section = &file->image->sections[s];
        printf("  %-16s %14" PRIu64 " %14" PRIu64 "  %016" PRIx64 "%s\n",
               section_name(section->kind), section->offset, section->bytes, section->xxh64,
               section->home == COLD ? "  cold" : "");
    }
}

static void print_json_text(const char *key, const char *text)
{
    printf(",\"%s\":\"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_json_ranks(const struct rank_info *info)
{
    printf(",\"ranks\":{\"iterations\":%u,\"finished_unix_s\":%" PRIu64, info->iterations,
           info->finished_unix_s);
    /* A damaged file's need not be numbers. */
    if (isfinite(info->damping) && isfinite(info->change))
        printf(",\"damping\":%.17g,\"change\":%.17g", info->damping, info->change);
    putchar('}');
}

static void print_json(const struct index_file *file, const struct index_view *view)
{
    const struct index_meta *meta = view->meta;
    printf("{\"layout\":\"%u.%u\",\"bytes\":%zu", file->image->version_major,
           file->image->version_minor, file->bytes);
    print_json_text("path", file->path);
    print_json_text("source", meta->source);
    print_json_text("site", meta->site);
    printf(",\"source_bytes\":%" PRIu64, meta->source_bytes);
    if (view->rank.info)
        print_json_ranks(view->rank.info);
    printf(",\"built_unix_s\":%" PRIu64 ",\"pages\":%" PRIu32 ",\"titles\":%" PRIu32
           ",\"edges\":%" PRIu64 ",\"has_text\":%s,\"sections\":[",
           meta->built_unix_s, meta->page_count, meta->title_count, meta->edge_count,
           meta->has_text ? "true" : "false");
    for (uint32_t s = 0; s < file->image->section_count; s++) {
        const struct section *section = &file->image->sections[s];
        printf("%s{\"name\":\"%s\",\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"xxh64\":\"%016" PRIx64 "\",\"cold\":%s}",
               s ? "," : "", section_name(section->kind), section->offset, section->bytes,
               section->xxh64, section->home == COLD ? "true" : "false");
    }
    puts("]}");
}

static int info(const struct index_file *file, bool json, struct fault *why)
{
    struct index_view view;
    int err = index_bind(&view, file->image, file->path, why);
    if (err)
        return err;
    if (json)
        print_json(file, &view);
    else
        print_text(file, &view);
    return 0;
}

/* The options both have: the file, or an exit status if there is nothing more to do. */
static const char *parse(int argc, char **argv, const char *help, bool *json, int *status)
{
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int option;
    *json = false;
    *status = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            *status = 0;
            return NULL;
        }
        if (option != 'j')
            break;
        *json = true;
    }
    if (option == -1 && optind + 1 == argc)
        return argv[optind];
    if (option == -1)
        fprintf(stderr, "forklored %s: one index file is needed\n", argv[0]);
    fprintf(stderr, "Try `forklored %s --help`.\n", argv[0]);
    return NULL;
}

/* Opens the file that the command line names and looks at it. */
static int inspect(int argc, char **argv, const char *help,
                   int (*look)(const struct index_file *file, bool json, struct fault *why))
{
    bool json;
    int status;
    const char *path = parse(argc, argv, help, &json, &status);
    if (!path)
        return status;
    struct index_file file;
    struct fault why;
    int err = open_index(&file, path, &why);
    if (!err)
        err = look(&file, json, &why);
    close_index(&file);
    if (!err)
        return 0;
    fprintf(stderr, "forklored: %s\n", why.text);
    return EXIT_FAILED;
}

int oneshot_verify(int argc, char **argv)
{
    return inspect(argc, argv,
                   "Usage: forklored verify [--json] INDEX\n"
                   "\n"
                   "Checks every checksum, offset and link of an index file, and says where it is\n"
                   "damaged.\n",
                   verify);
}

int oneshot_info(int argc, char **argv)
{
    return inspect(argc, argv,
                   "Usage: forklored info [--json] INDEX\n"
                   "\n"
                   "Shows what an index file holds.\n",
                   info);
}
