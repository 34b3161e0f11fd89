/* SPDX-License-Identifier: MIT */
#include "shm/index.h"

#include <errno.h>

int index_find_title(const struct index_view *view, const char *title, size_t length,
                     uint32_t *entry, bool *exact)
{
    char normal[TITLE_MAX_BYTES], fold[TITLE_FOLD_BYTES];
    int normal_length = title_normalise(title, length, view->meta->first_letter != 0, normal);
    if (normal_length < 0)
        return normal_length;
    *entry = titles_find(&view->titles, normal, (size_t)normal_length);
    *exact = *entry != TITLE_NONE;
    if (*exact)
        return 0;
    int fold_length = title_fold(normal, (size_t)normal_length, fold);
    if (fold_length <= 0)
        return -ENOENT;
    struct title_range range = titles_range(&view->titles, fold, (size_t)fold_length, true);
    return rank_top(&view->rank, &view->titles, range, 1, entry) == 1 ? 0 : -ENOENT;
}
