/* SPDX-License-Identifier: MIT
 *
 * Breadth-first search from both ends, a whole level at a time, on the side whose next level has
 * fewer links to look at. While no vertex is in both searches, which have completed depths a and
 * b, every path is longer than a + b; so the first meeting in the next level ends a shortest one.
 */
#include "worker/path.h"
#include "worker/vertex_map.h"

#include <errno.h>
#include <stdlib.h>

struct step {
    uint32_t vertex;
    uint32_t parent; /* one link nearer to this search's end; itself at the end */
};

struct search {
    struct vertex_map seen; /* of struct step, level after level */
    const uint64_t *offsets;
    const uint32_t *neighbours;
    uint32_t level;          /* entry number where the deepest level begins */
    uint64_t frontier_links; /* of the deepest level */
    uint32_t depth;
};

/* 1 if the vertex is new to this search, else 0; -ENOMEM. */
static int search_visit(struct search *search, uint32_t vertex, uint32_t parent)
{
    uint32_t before = search->seen.count;
    struct step *step = vertex_map_put(&search->seen, vertex);

    if (!step)
        return -ENOMEM;
    if (search->seen.count == before)
        return 0;
    step->parent = parent;
    search->frontier_links += search->offsets[vertex + 1] - search->offsets[vertex];
    return 1;
}

static int search_init(struct search *search, uint32_t end, const uint64_t *offsets,
                       const uint32_t *neighbours)
{
    *search = (struct search){.offsets = offsets, .neighbours = neighbours};
    vertex_map_init(&search->seen, sizeof(struct step));
    return search_visit(search, end, end);
}

/* One more level. 1 and the vertex where it met the other search, 0, or -errno. */
static int search_expand(struct search *search, const struct search *other,
                         struct patience *patience, uint32_t *meeting)
{
    uint32_t end = search->seen.count;
    uint32_t begin = search->level;

    search->level = end;
    search->frontier_links = 0;
    search->depth++;
    for (uint32_t i = begin; i < end; i++) {
        const struct step *step = vertex_map_at(&search->seen, i);
        uint32_t vertex = step->vertex;

        for (uint64_t e = search->offsets[vertex]; e < search->offsets[vertex + 1]; e++) {
            uint32_t neighbour = search->neighbours[e];

            if (patience_over(patience, 1))
                return -ETIME;

            int visited = search_visit(search, neighbour, vertex);
            if (visited < 0)
                return visited;
            if (visited && vertex_map_find(&other->seen, neighbour)) {
                *meeting = neighbour;
                return 1;
            }
        }
    }
    return 0;
}

static uint32_t search_parent(const struct search *search, uint32_t vertex)
{
    const struct step *step = vertex_map_find(&search->seen, vertex);

    MUST(step);
    return step->parent;
}

static int join(const struct search *forward, const struct search *backward, uint32_t meeting,
                struct path *path)
{
    path->length = forward->depth + backward->depth;
    path->vertices = malloc((path->length + (size_t)1) * sizeof *path->vertices);
    if (!path->vertices)
        return -ENOMEM;

    uint32_t vertex = meeting;
    for (uint32_t i = forward->depth + 1; i-- > 0; vertex = search_parent(forward, vertex))
        path->vertices[i] = vertex;
    vertex = meeting;
    for (uint32_t i = forward->depth; i <= path->length; i++) {
        path->vertices[i] = vertex;
        vertex = search_parent(backward, vertex);
    }
    return 0;
}

static int meet(struct search *forward, struct search *backward, uint32_t max_length,
                struct patience *patience, struct path *path)
{
    uint32_t meeting = 0;
    int met = 0;

    while (met == 0) {
        struct search *nearer =
            forward->frontier_links <= backward->frontier_links ? forward : backward;

        /* Without links to follow no deeper level can come, whatever the other side finds. */
        if (nearer->frontier_links == 0 || forward->depth + backward->depth >= max_length)
            return -ENOENT;
        met = search_expand(nearer, nearer == forward ? backward : forward, patience, &meeting);
    }
    return met < 0 ? met : join(forward, backward, meeting, path);
}

int path_find(const struct graph_view *graph, uint32_t from, uint32_t to, uint32_t max_length,
              struct patience *patience, struct path *path)
{
    struct search forward, backward;
    int result = search_init(&forward, from, graph->out_offsets, graph->out_targets);
    int other = search_init(&backward, to, graph->in_offsets, graph->in_sources);

    if (result < 0 || other < 0)
        result = -ENOMEM;
    else if (from == to)
        result = join(&forward, &backward, from, path);
    else
        result = meet(&forward, &backward, max_length, patience, path);
    vertex_map_fini(&forward.seen);
    vertex_map_fini(&backward.seen);
    return result;
}
