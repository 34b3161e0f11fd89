/* SPDX-License-Identifier: MIT
 *
 * The index image: the bytes of an index file, and of the segment it is loaded into. A file's
 * first `hot_bytes` are the segment; what follows is cold and is read from the file on demand.
 * All integers little-endian; offsets are from the image's first byte; docs/layout.md has the
 * byte table.
 *
 *     0  magic u64            8  version_major u16    10  version_minor u16
 *    12  endian u32          16  total_bytes u64      24  hot_bytes u64
 *    32  section_count u32   36  reserved u32         40  header_xxh64 u64
 *    48  reserved[2] u64
 *    64  ready u32           own cache line; zero in a file, release-stored last in a segment
 *    68  reserved u32        72  generation u64       zero in a file
 *    80  reserved[6] u64
 *   128  sections[SECTION_MAX], 32 bytes each
 *  4096  first section
 *
 * Versioning: a reader refuses another major version; a minor version may only append section
 * kinds, which older readers ignore.
 */
#ifndef FORKLORE_SHM_LAYOUT_H
#define FORKLORE_SHM_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_MAGIC        UINT64_C(0x45524f4c4b524f46) /* "FORKLORE" read as little-endian */
#define LAYOUT_MAJOR        5
#define LAYOUT_MINOR        0
#define LAYOUT_ENDIAN       UINT32_C(0x01020304)
#define LAYOUT_HEADER_BYTES 4096
#define LAYOUT_ALIGN        64
#define SECTION_MAX         124

/* kind, name, bytes of one element (1: a byte string), COLD or HOT.
 * RANK kinds depend on scores and are replaced as a whole by a PageRank job. */
#define SECTION_KINDS(X)                                                                           \
    X(META, "meta", sizeof(struct index_meta), HOT)                                                \
    X(PAGES, "pages", sizeof(struct page), HOT)                                                    \
    X(TEXT_BLOCKS, "text-blocks", sizeof(struct text_block), HOT)                                  \
    X(TITLE_OFFSETS, "title-offsets", sizeof(uint32_t), HOT)                                       \
    X(TITLE_BYTES, "title-bytes", 1, HOT)                                                          \
    X(FOLD_OFFSETS, "fold-offsets", sizeof(uint32_t), HOT)                                         \
    X(FOLD_BYTES, "fold-bytes", 1, HOT)                                                            \
    X(TITLE_TARGETS, "title-targets", sizeof(uint32_t), HOT)                                       \
    X(TITLE_HASH, "title-hash", sizeof(struct title_slot), HOT)                                    \
    X(OUT_OFFSETS, "out-offsets", sizeof(uint64_t), HOT)                                           \
    X(OUT_TARGETS, "out-targets", sizeof(uint32_t), HOT)                                           \
    X(IN_OFFSETS, "in-offsets", sizeof(uint64_t), HOT)                                             \
    X(IN_SOURCES, "in-sources", sizeof(uint32_t), HOT)                                             \
    X(RANK_INFO, "rank-info", sizeof(struct rank_info), HOT)                                       \
    X(SCORES, "scores", sizeof(double), HOT)                                                       \
    X(RANK_ORDER, "rank-order", sizeof(uint32_t), HOT)                                             \
    X(RANK_POSITIONS, "rank-positions", sizeof(uint32_t), HOT)                                     \
    X(TITLE_RANKS, "title-ranks", sizeof(uint32_t), HOT)                                           \
    X(TITLE_MINIMA, "title-minima", sizeof(uint32_t), HOT)                                         \
    X(TEXT, "text", 1, COLD)                                                                       \
    X(SPMV_INFO, "spmv-info", sizeof(struct spmv_info), HOT)                                       \
    X(SPMV_POSITIONS, "spmv-positions", sizeof(uint32_t), HOT)                                     \
    X(SPMV_DEGREES, "spmv-degrees", sizeof(uint32_t), HOT)                                         \
    X(SPMV_START, "spmv-start", sizeof(float), HOT)                                                \
    X(SPMV_BLOCKS, "spmv-blocks", sizeof(struct spmv_block), HOT)                                  \
    X(SPMV_TILES, "spmv-tiles", sizeof(uint64_t), HOT)                                             \
    X(SPMV_WORDS, "spmv-words", sizeof(uint16_t), HOT)                                             \
    X(SEARCH_INFO, "search-info", sizeof(struct search_info), HOT)                                 \
    X(BODY_LENGTHS, "body-lengths", 1, HOT)                                                        \
    X(NAME_LENGTHS, "name-lengths", 1, HOT)                                                        \
    X(WORD_BLOCKS, "word-blocks", sizeof(struct word_block), HOT)                                  \
    X(WORD_BYTES, "word-bytes", 1, HOT)                                                            \
    X(POSTINGS, "postings", 1, HOT)                                                                \
    X(POSITIONS, "positions", 1, HOT)                                                              \
    X(PASSAGE_PAGES, "passage-pages", sizeof(struct passage_page), HOT)                            \
    X(PASSAGES, "passages", sizeof(struct passage), HOT)                                           \
    X(PASSAGE_DICTIONARY, "passage-dictionary", 1, HOT)                                            \
    X(PASSAGE_BYTES, "passage-bytes", 1, COLD)

enum section_kind {
    SECTION_NONE,
#define X(kind, name, element, home) SECTION_##kind,
    SECTION_KINDS(X)
#undef X
        SECTION_KIND_COUNT
};

enum section_home { HOT, COLD };

struct section {
    uint32_t kind;
    uint32_t home; /* enum section_home */
    uint64_t offset;
    uint64_t bytes;
    uint64_t xxh64; /* of the section's bytes, seed 0 */
};

struct image_header {
    uint64_t magic;
    uint16_t version_major;
    uint16_t version_minor;
    uint32_t endian;
    uint64_t total_bytes;
    uint64_t hot_bytes;
    uint32_t section_count;
    uint32_t reserved0;
    uint64_t header_xxh64; /* of the header's 4096 bytes, this field and [64, 128) as zero */
    uint64_t reserved1[2];
    _Atomic uint32_t ready; /* 1: sealed. Release-stored by image_publish(), see image.h */
    uint32_t reserved2;
    uint64_t generation;
    uint64_t reserved3[6];
    struct section sections[SECTION_MAX];
};

/* What the index is about. Strings are NUL-terminated UTF-8, cut at a character if too long. */
struct index_meta {
    uint32_t page_count;   /* vertices, n */
    uint32_t title_count;  /* title entries, redirects included, T */
    uint64_t edge_count;   /* m */
    uint32_t first_letter; /* 1: the first letter of a title is upper-cased (<case>) */
    uint32_t has_text;     /* 0: built from a graph, not from a dump */
    uint64_t built_unix_s;
    uint64_t source_bytes; /* of the decompressed dump */
    char site[64];
    char database[32];
    char source[128]; /* file name of the dump, without folders */
};

/* One vertex. A graph's vertices have no text: block is PAGE_NO_TEXT. */
struct page {
    uint64_t id;          /* <id> of the dump, or the vertex's number in an edge list */
    uint64_t dump_offset; /* of "<page>" in the decompressed dump */
    uint32_t dump_bytes;  /* up to and with "</page>" */
    uint32_t title;       /* title entry */
    uint32_t block;       /* text block that holds the element, in UTF-8 */
    uint32_t block_offset;
    uint32_t element_bytes;
    uint32_t reserved;
};
#define PAGE_NO_TEXT UINT32_MAX

/* One zstd frame (with content checksum) of whole <page> elements. */
struct text_block {
    uint64_t offset; /* in the TEXT section */
    uint32_t stored_bytes;
    uint32_t raw_bytes;
};

/* Open addressing, linear probing, power-of-two slots at most half full. */
struct title_slot {
    uint32_t tag;   /* upper 32 bits of title_hash() */
    uint32_t entry; /* title entry + 1; 0: free */
};

#define TITLE_IS_REDIRECT UINT32_C(0x80000000) /* flag in TITLE_TARGETS, beside the vertex */

struct rank_info {
    double damping;
    double tolerance;
    double change; /* L1, of the last iteration */
    uint32_t iterations;
    uint32_t precision;  /* bytes of a score while computing: 4 or 8 */
    uint32_t seed_count; /* 0: uniform teleport */
    uint32_t converged;
    uint64_t finished_unix_s;
};

/* The links as PageRank multiplies by them: spmv.h. */
struct spmv_info {
    uint32_t vertex_count;  /* n */
    uint32_t source_count;  /* vertices with links out: positions below it */
    uint32_t segment_shift; /* a segment is 2^shift sources, the last one what is left */
    uint32_t segment_count;
    uint32_t phase_segments; /* a phase is so many segments, the last one what is left */
    uint32_t phase_count;
    uint32_t block_count;
    uint32_t links_in_most; /* of a row */
    uint64_t word_count;
    double start_peak; /* the greatest of a source's start weight / its links out */
};

struct spmv_block {
    uint64_t cost; /* of all blocks before it */
    uint32_t row;  /* its first */
    uint32_t reserved;
};

/* Full-text search (postings.h). The body of a page is its readable text, its name its title. */
struct search_info {
    uint64_t body_words; /* of all pages together */
    uint64_t name_words;
    uint64_t postings;   /* (word, page) pairs, both fields */
    uint32_t words;      /* different ones; a word of both fields counts twice */
    uint32_t ids_ascend; /* 1: page ids ascend with the vertices */
    double k1, b;        /* what the blocks' bounds were computed for */
    char stemmer[16];    /* Snowball's name of the language, empty: words as they are */
};

/* WORDS_PER_BLOCK words in ascending order. */
struct word_block {
    uint64_t key;          /* the first word's first eight bytes, big-endian, zeros after its end */
    uint64_t bytes_at;     /* in section word-bytes */
    uint64_t postings_at;  /* of the block's first word, in section postings */
    uint64_t positions_at; /* likewise, in section positions */
};

/* The readable text in pieces (passages.h). One element more than pages is the end. */
struct passage_page {
    uint64_t at;    /* of its first passage, in section passage-bytes */
    uint32_t first; /* of its passages */
    uint32_t start; /* of its text in that, which short pages before it share */
};

/* One element more than passages is the end. */
struct passage {
    uint32_t word; /* of the page: the first one that begins here */
    uint32_t at;   /* the low half of where it begins in section passage-bytes */
};

static_assert(sizeof(struct passage_page) == 16, "layout 5.0");
static_assert(sizeof(struct passage) == 8, "layout 5.0");
static_assert(sizeof(struct search_info) == 64, "layout 5.0");
static_assert(sizeof(struct word_block) == 32, "layout 5.0");
static_assert(sizeof(struct section) == 32, "layout 5.0");
static_assert(sizeof(struct image_header) == LAYOUT_HEADER_BYTES, "layout 5.0");
static_assert(offsetof(struct image_header, ready) == 64, "own cache line");
static_assert(offsetof(struct image_header, sections) == 128, "layout 5.0");
static_assert(sizeof(struct index_meta) == 264, "layout 5.0");
static_assert(sizeof(struct page) == 40, "layout 5.0");
static_assert(sizeof(struct text_block) == 16, "layout 5.0");
static_assert(sizeof(struct title_slot) == 8, "layout 5.0");
static_assert(sizeof(struct rank_info) == 48, "layout 5.0");
static_assert(sizeof(struct spmv_info) == 48, "layout 5.0");
static_assert(sizeof(struct spmv_block) == 16, "layout 5.0");
static_assert(sizeof(_Atomic uint32_t) == 4 && ATOMIC_INT_LOCK_FREE == 2, "no locks in a segment");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the image is little-endian");

#endif
