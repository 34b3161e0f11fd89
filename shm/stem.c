/* SPDX-License-Identifier: MIT */
#include "shm/stem.h"

#include "shm/layout.h"

#include <errno.h>
#include <libstemmer.h>
#include <string.h>

int stemmer_create(struct stemmer **stemmer, const char *language, struct fault *why)
{
    *stemmer = NULL;
    if (!*language)
        return 0;
    struct sb_stemmer *made = NULL;
    if (strlen(language) < sizeof((struct search_info *)0)->stemmer)
        made = sb_stemmer_new(language, "UTF_8");
    if (made) {
        *stemmer = (struct stemmer *)made;
        return 0;
    }
    char known[sizeof why->text / 2] = "";
    size_t used = 0;
    for (const char **name = sb_stemmer_list(); *name; name++) {
        const int n = snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", *name);
        if (n < 0 || (size_t)n >= sizeof known - used) {
            known[used] = '\0';
            break;
        }
        used += (size_t)n;
    }
    return fault_set(why, EINVAL, "no stemmer for \"%.40s\"; there are: %s", language, known);
}

void stemmer_destroy(struct stemmer **stemmer)
{
    sb_stemmer_delete((struct sb_stemmer *)*stemmer);
    *stemmer = NULL;
}

int stem_word(struct stemmer *stemmer, struct word *word)
{
    struct sb_stemmer *made = (struct sb_stemmer *)stemmer;
    if (!made)
        return 0;
    const sb_symbol *stem =
        sb_stemmer_stem(made, (const sb_symbol *)word->bytes, (int)word->length);
    if (!stem)
        return -ENOMEM;
    const int length = sb_stemmer_length(made);
    if (length > 0 && length <= WORD_MAX_BYTES) { /* else the word stays as it is */
        word->bytes = (const char *)stem;
        word->length = (uint32_t)length;
    }
    return 0;
}
