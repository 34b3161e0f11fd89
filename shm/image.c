/* SPDX-License-Identifier: MIT
 *
 * Index images: the section table, the check of a header, planning a new image. Writing one to a
 * file is image_write.c.
 */
#include "shm/image.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#define RUNTIME_LINE       offsetof(struct image_header, ready)
#define RUNTIME_LINE_BYTES 64

static const struct {
    const char *name;
    size_t element_bytes;
    enum section_home home;
} kinds[SECTION_KIND_COUNT] = {
#define X(kind, name, element, home) [SECTION_##kind] = {name, element, home},
    SECTION_KINDS(X)
#undef X
};

static bool kind_known(uint32_t kind)
{
    return kind > SECTION_NONE && kind < SECTION_KIND_COUNT;
}

const char *section_name(uint32_t kind)
{
    return kind_known(kind) ? kinds[kind].name : "?";
}

size_t section_element_bytes(uint32_t kind)
{
    return kind_known(kind) ? kinds[kind].element_bytes : 0;
}

enum section_home section_home(uint32_t kind)
{
    return kind_known(kind) ? kinds[kind].home : COLD;
}

static uint64_t align_up(uint64_t bytes)
{
    return (bytes + LAYOUT_ALIGN - 1) & ~(uint64_t)(LAYOUT_ALIGN - 1);
}

static uint64_t header_checksum(const struct image_header *header)
{
    unsigned char copy[LAYOUT_HEADER_BYTES];
    memcpy(copy, header, sizeof copy);
    memset(copy + offsetof(struct image_header, header_xxh64), 0, sizeof header->header_xxh64);
    memset(copy + RUNTIME_LINE, 0, RUNTIME_LINE_BYTES);
    return XXH64(copy, sizeof copy, 0);
}

/* Who wrote this at all: these decide whether the other fields mean anything. */
static int check_identity(const struct image_header *header, const char *name, struct fault *why)
{
    if (header->magic == __builtin_bswap64(LAYOUT_MAGIC))
        return fault_set(why, EINVAL,
                         "%s: the index was written with the other byte order (big-endian)", name);
    if (header->magic != LAYOUT_MAGIC)
        return fault_set(why, EINVAL,
                         "%s: not a forklore index: the magic number at offset 0 is %016" PRIx64
                         ", not %016" PRIx64,
                         name, header->magic, LAYOUT_MAGIC);
    if (header->endian != LAYOUT_ENDIAN)
        return fault_set(why, EINVAL,
                         "%s: wrong byte order: the endianness field at offset %zu is %08" PRIx32
                         ", not %08" PRIx32,
                         name, offsetof(struct image_header, endian), header->endian,
                         LAYOUT_ENDIAN);
    if (header->version_major != LAYOUT_MAJOR)
        return fault_set(why, EINVAL,
                         "%s: layout version %u.%u cannot be read by this program, which reads "
                         "version %u; build the index again",
                         name, header->version_major, header->version_minor, LAYOUT_MAJOR);
    return 0;
}

static int check_section(const struct image_header *header, uint32_t i, uint64_t *end, bool *cold,
                         const char *name, struct fault *why)
{
    const struct section *s = &header->sections[i];
    const char *kind = section_name(s->kind);
    const size_t element = section_element_bytes(s->kind);

    if (s->kind == SECTION_NONE)
        return fault_set(why, EINVAL, "%s: section table entry %" PRIu32 " has no kind", name, i);
    if (s->home != HOT && s->home != COLD)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s): home %" PRIu32
                         " is neither hot nor cold",
                         name, i, kind, s->home);
    if (element && s->home != (uint32_t)section_home(s->kind))
        return fault_set(why, EINVAL, "%s: section table entry %" PRIu32 " (%s) is not %s", name, i,
                         kind, section_home(s->kind) == HOT ? "hot" : "cold");
    if (*cold && s->home == HOT)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s) is hot but follows a cold one",
                         name, i, kind);
    if (s->offset % LAYOUT_ALIGN)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s): offset %" PRIu64
                         " is not a multiple of %d",
                         name, i, kind, s->offset, LAYOUT_ALIGN);
    if (s->offset < *end)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s): offset %" PRIu64
                         " is inside what precedes it, which ends at %" PRIu64,
                         name, i, kind, s->offset, *end);
    if (s->offset > header->total_bytes || s->bytes > header->total_bytes - s->offset)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s): %" PRIu64
                         " bytes from offset %" PRIu64 " reach past the end of the index (%" PRIu64
                         ")",
                         name, i, kind, s->bytes, s->offset, header->total_bytes);
    if (element && s->bytes % element)
        return fault_set(why, EINVAL,
                         "%s: section table entry %" PRIu32 " (%s): %" PRIu64
                         " bytes are not a whole number of elements of %zu",
                         name, i, kind, s->bytes, element);
    for (uint32_t j = 0; element && j < i; j++)
        if (header->sections[j].kind == s->kind)
            return fault_set(why, EINVAL,
                             "%s: section table entries %" PRIu32 " and %" PRIu32
                             " are of the same kind (%s)",
                             name, j, i, kind);
    *cold = s->home == COLD;
    *end = s->offset + s->bytes;
    return 0;
}

static int check_fields(const struct image_header *header, uint64_t file_bytes, const char *name,
                        struct fault *why)
{
    if (header->total_bytes > file_bytes)
        return fault_set(why, EINVAL,
                         "%s: cut short: the header says %" PRIu64 " bytes, the file has %" PRIu64,
                         name, header->total_bytes, file_bytes);
    if (header->total_bytes < file_bytes)
        return fault_set(why, EINVAL,
                         "%s: too long: the header says %" PRIu64 " bytes, the file has %" PRIu64,
                         name, header->total_bytes, file_bytes);
    if (header->hot_bytes < LAYOUT_HEADER_BYTES || header->hot_bytes > header->total_bytes)
        return fault_set(why, EINVAL,
                         "%s: hot_bytes %" PRIu64 " is not between the header's %d and the whole "
                         "index's %" PRIu64,
                         name, header->hot_bytes, LAYOUT_HEADER_BYTES, header->total_bytes);
    if (header->section_count > SECTION_MAX)
        return fault_set(why, EINVAL,
                         "%s: section_count %" PRIu32 " is more than the %d that fit the header",
                         name, header->section_count, SECTION_MAX);
    /* The line is outside the checksum, so this is all that can be said about it. */
    const uint32_t ready = atomic_load_explicit(&header->ready, memory_order_relaxed);
    if (ready > 1)
        return fault_set(why, EINVAL, "%s: the ready word at offset %zu is %" PRIu32, name,
                         RUNTIME_LINE, ready);

    uint64_t end = LAYOUT_HEADER_BYTES, hot_end = LAYOUT_HEADER_BYTES;
    bool cold = false;
    for (uint32_t i = 0; i < header->section_count; i++) {
        int rc = check_section(header, i, &end, &cold, name, why);
        if (rc)
            return rc;
        if (!cold)
            hot_end = end;
    }
    if (align_up(hot_end) != header->hot_bytes)
        return fault_set(why, EINVAL,
                         "%s: hot_bytes is %" PRIu64 ", but the hot sections end at %" PRIu64, name,
                         header->hot_bytes, align_up(hot_end));
    if (align_up(end) != header->total_bytes)
        return fault_set(why, EINVAL,
                         "%s: total_bytes is %" PRIu64 ", but the %" PRIu32
                         " sections of section_count end at %" PRIu64,
                         name, header->total_bytes, header->section_count, align_up(end));
    return 0;
}

int image_check_header(const struct image_header *header, uint64_t file_bytes, const char *name,
                       struct fault *why)
{
    int rc = check_identity(header, name, why);
    if (rc)
        return rc;
    const bool intact = header_checksum(header) == header->header_xxh64;
    rc = check_fields(header, file_bytes, name, why);
    if (intact)
        return rc;
    /* A field that makes no sense says more than the checksum, but the reader should know that
     * the field itself is what is wrong. */
    if (rc) {
        if (why) {
            const size_t used = strlen(why->text);
            snprintf(why->text + used, sizeof why->text - used,
                     "; the header's checksum is wrong too, so the header is damaged");
        }
        return rc;
    }
    return fault_set(why, EINVAL,
                     "%s: the header is damaged: its checksum should be %016" PRIx64
                     " and is %016" PRIx64,
                     name, header->header_xxh64, header_checksum(header));
}

const struct section *image_find(const struct image_header *header, enum section_kind kind)
{
    for (uint32_t i = 0; i < header->section_count && i < SECTION_MAX; i++)
        if (header->sections[i].kind == (uint32_t)kind)
            return &header->sections[i];
    return NULL;
}

const void *image_section(const struct image_header *header, enum section_kind kind,
                          uint64_t *bytes)
{
    const struct section *s = image_find(header, kind);
    *bytes = s ? s->bytes : 0;
    return s ? (const unsigned char *)header + s->offset : NULL;
}

void image_publish(struct image_header *header, uint64_t generation)
{
    header->generation = generation;
    /* Release: everything written to the segment before, the generation included, is visible to
     * whoever sees 1 with an acquire load. */
    atomic_store_explicit(&header->ready, 1, memory_order_release);
}

int image_plan(struct image_header *header, const struct image_part *parts, size_t part_count,
               struct fault *why)
{
    if (part_count > SECTION_MAX)
        return fault_set(why, E2BIG, "an index of %zu sections: at most %d fit its header",
                         part_count, SECTION_MAX);
    memset(header, 0, sizeof *header);
    header->magic = LAYOUT_MAGIC;
    header->version_major = LAYOUT_MAJOR;
    header->version_minor = LAYOUT_MINOR;
    header->endian = LAYOUT_ENDIAN;

    uint64_t end = LAYOUT_HEADER_BYTES;
    for (enum section_home home = HOT; home <= COLD; home++) {
        for (size_t i = 0; i < part_count; i++) {
            const struct image_part *part = &parts[i];
            MUST(kind_known(part->kind) && part->bytes % kinds[part->kind].element_bytes == 0);
            if (kinds[part->kind].home != home)
                continue;
            MUST(!image_find(header, (enum section_kind)part->kind));
            struct section *s = &header->sections[header->section_count++];
            *s = (struct section){
                .kind = part->kind, .home = home, .offset = align_up(end), .bytes = part->bytes};
            s->xxh64 = part->data || !part->bytes ? XXH64(part->data, part->bytes, 0) : part->xxh64;
            end = s->offset + s->bytes;
        }
        if (home == HOT)
            header->hot_bytes = align_up(end);
    }
    header->total_bytes = align_up(end);
    header->header_xxh64 = header_checksum(header);
    return 0;
}
