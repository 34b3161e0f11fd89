/* SPDX-License-Identifier: MIT
 *
 * A damaged index. The input says which sound one, and what is changed in it: (section, offset,
 * length, bytes) again and again. The header's checksum is put right, as whoever wants to do harm
 * would. What index_verify() lets pass must answer every query.
 */
#include "tests/fuzz/fuzz_index.h"

#include "worker/query.h"

#include <xxhash.h>

#define IMAGES 3

struct image {
    char *bytes;
    size_t length;
};

static void make_images(struct image images[IMAGES])
{
    images[0].bytes = fuzz_image(BUILD_DUMP, false, &images[0].length);
    images[1].bytes = fuzz_image(BUILD_DUMP, true, &images[1].length);
    images[2].bytes = fuzz_image(BUILD_GRAPH, false, &images[2].length);
}

static void damage(char *bytes, const struct image *sound, struct fuzz_in *in)
{
    const struct image_header *header = (const struct image_header *)sound->bytes;
    while (fuzz_left(in) >= 5) {
        unsigned number = (unsigned)fuzz_uint(in, 1) % (header->section_count + 1);
        const struct section *section = number ? &header->sections[number - 1] : NULL;
        size_t room = section ? section->bytes : 128 + 32 * header->section_count;
        size_t offset = fuzz_uint(in, 2), length = fuzz_uint(in, 1) % 16 + 1;
        if (room == 0)
            continue;
        offset %= room;
        if (length > room - offset)
            length = room - offset;
        const uint8_t *from = fuzz_bytes(in, &length);
        memcpy(bytes + (section ? section->offset : 0) + offset, from, length);
    }
}

/* As layout.h says: without the checksum itself and the line of `ready`. */
static void seal_header(struct image_header *header)
{
    unsigned char copy[LAYOUT_HEADER_BYTES];
    header->header_xxh64 = 0;
    memcpy(copy, header, sizeof copy);
    memset(copy + offsetof(struct image_header, ready), 0, LAYOUT_ALIGN);
    header->header_xxh64 = XXH64(copy, sizeof copy, 0);
}

static void ask(struct query_engine *engine, const char *method, const char *params, size_t bytes)
{
    struct wire_out frame, out;
    struct rpc_request request;
    wire_out_init(&frame);
    wire_out_init(&out);
    rpc_request(&frame, 42, method);
    wire_raw(&frame, params, bytes);
    MUST(rpc_parse_request(frame.data, frame.bytes, &request) == RPC_OK);
    query_run(engine, &request, 0, &out);
    MUST(!out.failed);
    fuzz_check_answer(out.data, out.bytes, 42);
    wire_out_fini(&out);
    wire_out_fini(&frame);
}

static void ask_everything(const struct index_view *view, int fd)
{
#define P(text) text, sizeof text - 1
    static const struct {
        const char *method, *params;
        size_t bytes;
    } questions[] = {
        {"lookup", P("\x91\xa6"
                     "anchor")},
        {"lookup", P("\x91\xa1"
                     "1")},
        {"lookup", P("\x91\xa6"
                     "ETOILE")},
        {"prefix", P("\x92\xa0\x05")},
        {"prefix", P("\x92\xa1"
                     "b\x02")},
        {"page", P("\x91\xa6"
                   "Anchor")},
        {"page", P("\x92\xa4"
                   "Ship"
                   "\xa8"
                   "wikitext")},
        {"page", P("\x92\xa4"
                   "Mast"
                   "\xa3"
                   "xml")},
        {"links", P("\x91\xa4"
                    "Ship")},
        {"backlinks", P("\x91\xa4"
                        "Ship")},
        {"links", P("\x91\xa1"
                    "3")},
        {"rank", P("\x91\xa4"
                   "Boat")},
        {"top", P("\x92\x0a\x00")},
        {"random", P("\x91\x07")},
        {"related", P("\x91\x91\xa4"
                      "Ship")},
        {"related", P("\x91\x91\xa1"
                      "1")},
        {"path", P("\x92\xa6"
                   "Anchor"
                   "\xa7"
                   "\xc3\x89toile")},
        {"path", P("\x92\xa1"
                   "7\xa1"
                   "9")},
        {"export", P("\x91\xa6"
                     "scores")},
        {"export", P("\x91\xa5"
                     "links")},
        {"export", P("\x91\xa6"
                     "titles")},
        {"search", P("\x91\xac"
                     "anchor ship*")},
        {"search", P("\x91\xaf"
                     "+ship -\"a mast\"")},
        {"search", P("\x91\xb0"
                     "intitle:boat the")},
        {"search", P("\x91\xa3"
                     "\xe6\x98\x9f")},
        {"explain", P("\x92\xa4"
                      "ship\xa4"
                      "Ship")},
    };
#undef P
    struct query_engine *engine;
    struct fault why;
    MUST(query_engine_create(&engine, view, 1, fd, &why) == 0);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        ask(engine, questions[i].method, questions[i].params, questions[i].bytes);
    query_engine_destroy(&engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image images[IMAGES];
    static int fd = -1;
    if (fd < 0) {
        make_images(images);
        fd = memfd_create("index", MFD_CLOEXEC);
        MUST(fd >= 0);
    }
    struct fuzz_in in = {data, data + size};
    unsigned choice = (unsigned)fuzz_uint(&in, 1);
    const struct image *sound = &images[choice % IMAGES];
    char *bytes;
    MUST(posix_memalign((void **)&bytes, LAYOUT_ALIGN, sound->length) == 0);
    memcpy(bytes, sound->bytes, sound->length);
    damage(bytes, sound, &in);
    struct image_header *header = (struct image_header *)bytes;
    if (choice < 128)
        seal_header(header);

    struct fault why = {""};
    struct index_view view;
    int err = image_check_header(header, sound->length, "index", &why);
    if (!err)
        err = index_bind(&view, header, "index", &why);
    if (!err)
        err = index_verify(&view, "index", &why);
    MUST(err <= 0 && (err == 0 || why.text[0]));
    if (!err) {
        MUST(ftruncate(fd, 0) == 0 &&
             pwrite(fd, bytes, sound->length, 0) == (ssize_t)sound->length);
        ask_everything(&view, fd);
    }
    free(bytes);
    return 0;
}
