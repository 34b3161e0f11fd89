/* SPDX-License-Identifier: MIT */
#include "coordinator/loader.h"

#include "shm/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* One huge page at a time: small enough for a daemon to answer queries in between. */
#define CHUNK_BYTES SEG_HUGE_BYTES

struct loader {
    struct loop *loop;
    struct load_options options;
    struct base *base;
    struct loop_op read_op;
    uint64_t at;      /* bytes of the image that are there */
    uint32_t section; /* the table entry being checksummed */
    XXH64_state_t *checksum;
    load_fn *done;
    void *done_owner;
    bool aborted;
};

static uint64_t hot_bytes(const struct loader *loader)
{
    return ((const struct image_header *)loader->base->seg.base)->hot_bytes;
}

static void finish(struct loader *loader, const struct fault *why)
{
    if (why)
        base_drop(&loader->base);
    loader->done(loader->done_owner, loader->base, why);
    XXH64_freeState(loader->checksum);
    free(loader);
}

/* Ends the current section's checksum and begins the next one's. */
static int close_section(struct loader *loader, const struct section *section, struct fault *why)
{
    uint64_t found = XXH64_digest(loader->checksum);
    if (found != section->xxh64)
        return fault_set(why, EBADMSG,
                         "%s: section %s (offset %" PRIu64 ", %" PRIu64
                         " bytes) is damaged: its checksum is %016" PRIx64 ", not %016" PRIx64,
                         loader->base->path, section_name(section->kind), section->offset,
                         section->bytes, found, section->xxh64);
    loader->section++;
    XXH64_reset(loader->checksum, 0);
    return 0;
}

/* Adds image bytes [from, to), just read, to the sections they belong to. Sections are in order
 * of their offsets (image_check_header). */
static int checksum_chunk(struct loader *loader, uint64_t from, uint64_t to, struct fault *why)
{
    const struct image_header *image = loader->base->seg.base;
    while (loader->section < image->section_count) {
        const struct section *section = &image->sections[loader->section];
        uint64_t end = section->offset + section->bytes;
        if (section->home == COLD || section->offset > to)
            return 0;
        uint64_t first = from > section->offset ? from : section->offset;
        uint64_t last = to < end ? to : end;
        if (last > first)
            XXH64_update(loader->checksum, (const char *)image + first, last - first);
        if (to < end)
            return 0;
        int err = close_section(loader, section, why);
        if (err)
            return err;
    }
    return 0;
}

/* After each whole huge page; with `auto`, a kernel that will not is asked no more. */
static int use_huge_page(struct loader *loader, struct fault *why)
{
    if (loader->at % SEG_HUGE_BYTES != 0 || loader->options.huge_pages == HUGE_PAGES_OFF)
        return 0;
    int err = seg_collapse(&loader->base->seg, loader->at - SEG_HUGE_BYTES, SEG_HUGE_BYTES);
    if (err && loader->options.huge_pages == HUGE_PAGES_ON)
        return fault_errno(why, -err, "%s: --huge-pages on: the kernel refuses",
                           loader->base->path);
    if (err)
        loader->options.huge_pages = HUGE_PAGES_OFF;
    return 0;
}

static int complete(struct loader *loader, struct fault *why)
{
    struct base *base = loader->base;
    struct seg *seg = &base->seg;
    int err = index_bind(&base->view, seg->base, base->path, why);
    if (err)
        return err;
    base->generation = ++*loader->options.last_generation;
    image_publish(seg->base, base->generation);
    err = seg_seal(seg, why);
    /* The sealed mapping may lie elsewhere. */
    return err ? err : index_bind(&base->view, seg->base, base->path, why);
}

static void read_next(struct loader *loader);

static void on_read(struct loop_op *op, int result)
{
    struct loader *loader = op->owner;
    struct fault why;
    if (loader->aborted)
        return;
    if (result == -EINTR || result == -EAGAIN) {
        read_next(loader);
        return;
    }
    if (result <= 0) {
        if (result == 0)
            fault_set(&why, EIO, "%s: cut short at offset %" PRIu64 " while it was read",
                      loader->base->path, loader->at);
        else
            fault_errno(&why, -result, "%s: cannot read at offset %" PRIu64, loader->base->path,
                        loader->at);
        finish(loader, &why);
        return;
    }
    uint64_t from = loader->at;
    loader->at += (uint64_t)result;
    int err = checksum_chunk(loader, from, loader->at, &why);
    if (!err)
        err = use_huge_page(loader, &why);
    if (!err && loader->at < hot_bytes(loader)) {
        read_next(loader);
        return;
    }
    if (!err)
        err = complete(loader, &why);
    finish(loader, err ? &why : NULL);
}

static void read_next(struct loader *loader)
{
    struct fault why;
    const struct seg *seg = &loader->base->seg;
    uint64_t left = hot_bytes(loader) - loader->at;
    size_t bytes = CHUNK_BYTES - loader->at % CHUNK_BYTES;
    bytes = left < bytes ? left : bytes;
    if (seg_reserve(seg, loader->at, bytes, &why) < 0)
        finish(loader, &why);
    else
        loop_read(loader->loop, &loader->read_op, loader->base->index_fd,
                  (char *)seg->base + loader->at, bytes, loader->at);
}

/* Opens the file and checks what its header alone can say. */
static int open_index(struct base *base, const char *path, struct image_header *header,
                      struct fault *why)
{
    base->path = strdup(path);
    /* Opening a pipe without O_NONBLOCK waits for a writer, and the whole daemon with it. */
    base->index_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (base->index_fd < 0)
        return fault_errno(why, errno, "cannot open %s", path);
    struct stat status;
    if (fstat(base->index_fd, &status) < 0)
        return fault_errno(why, errno, "cannot stat %s", path);
    if (!S_ISREG(status.st_mode))
        return fault_set(why, EINVAL, "%s: not a regular file", path);
    fcntl(base->index_fd, F_SETFL, 0); /* io_uring would heed it for files, too */
    base->file_bytes = (uint64_t)status.st_size;
    ssize_t got = pread(base->index_fd, header, sizeof *header, 0);
    if (got < 0)
        return fault_errno(why, errno, "cannot read %s", path);
    if ((size_t)got < sizeof *header)
        return fault_set(why, EINVAL,
                         "%s: not a forklore index: %zd bytes are fewer than a header's %zu", path,
                         got, sizeof *header);
    return image_check_header(header, base->file_bytes, path, why);
}

struct binding {
    struct base *base;
    struct fault *why;
    int *err;
};

static void bind_map(void *owner)
{
    const struct binding *binding = owner;
    struct base *base = binding->base;
    *binding->err = index_bind(&base->view, base->file_map, base->path, binding->why);
    if (*binding->err)
        return;
    base->meta = *base->view.meta;
    base->view.meta = &base->meta;
}

static int map_index(struct base *base, const struct image_header *header, struct fault *why)
{
    int err = 0;
    base->file_map_bytes = header->hot_bytes;
    base->file_map = mmap(NULL, base->file_map_bytes, PROT_READ, MAP_SHARED, base->index_fd, 0);
    if (base->file_map == MAP_FAILED) {
        base->file_map = NULL;
        return fault_errno(why, errno, "cannot map %s", base->path);
    }
    mapped_init();
    if (!mapped_run(bind_map, &(struct binding){base, why, &err}))
        err = fault_set(why, EIO, "%s: " MAPPED_GONE, base->path);
    return err;
}

static int prepare(struct loader *loader, const struct seg_owner *owner, struct fault *why)
{
    struct image_header header;
    struct base *base = loader->base;
    int err = open_index(base, loader->options.path, &header, why);
    if (err)
        return err;
    if (loader->options.map)
        return map_index(base, &header, why);
    char label[32];
    snprintf(label, sizeof label, "index-%u", loader->options.serial);
    err = seg_create_sparse(&base->seg, owner, label, header.hot_bytes, why);
    if (!err)
        err = seg_reserve(&base->seg, 0, sizeof header, why);
    if (err)
        return err;
    /* Not inherited before it is sealed: see crew.c. */
    madvise(base->seg.base, base->seg.bytes, MADV_DONTFORK);
    memcpy(base->seg.base, &header, sizeof header);
    loader->at = sizeof header;
    return 0;
}

int loader_start(struct loader **out, struct loop *loop, const struct seg_owner *owner,
                 const struct load_options *options, load_fn *done, void *done_owner,
                 struct fault *why)
{
    struct loader *loader = calloc(1, sizeof *loader);
    struct base *base = calloc(1, sizeof *base);
    XXH64_state_t *checksum = XXH64_createState();
    if (!loader || !base || !checksum) {
        free(loader);
        free(base);
        XXH64_freeState(checksum);
        return fault_set(why, ENOMEM, "no memory to load %s", options->path);
    }
    *base = (struct base){.references = 1, .seg = SEG_NONE, .index_fd = -1};
    *loader = (struct loader){.loop = loop,
                              .options = *options,
                              .base = base,
                              .read_op = {.fn = on_read, .owner = loader},
                              .checksum = checksum,
                              .done = done,
                              .done_owner = done_owner};
    XXH64_reset(checksum, 0);
    int err = prepare(loader, owner, why);
    if (err) {
        base_drop(&loader->base);
        XXH64_freeState(checksum);
        free(loader);
        return err;
    }
    *out = loader;
    if (options->map) {
        base->generation = ++*options->last_generation;
        finish(loader, NULL);
    } else {
        read_next(loader);
    }
    return 0;
}

void loader_abort(struct loader **out)
{
    struct loader *loader = *out;
    *out = NULL;
    if (!loader)
        return;
    loader->aborted = true;
    loop_cancel(loader->loop, &loader->read_op);
    while (loop_busy(&loader->read_op) && loop_run(loader->loop, true) >= 0)
        ;
    base_drop(&loader->base);
    XXH64_freeState(loader->checksum);
    free(loader);
}
