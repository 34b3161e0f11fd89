/* SPDX-License-Identifier: MIT
 *
 * What a link's target is: decoding and normalising it, and knowing namespaces and other wikis by
 * the prefix before the first colon. A prefix that is neither is part of an ordinary title, as in
 * "2001: A Space Odyssey".
 */
#include "coordinator/dump/wikitext_int.h"
#include "shm/entities.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define PREFIX_MAX_BYTES 256
#define NAMESPACE_FILE   6

/* Names that every wiki knows, beside its own. Those of extensions (`optional`) only where the
 * site has their namespace. */
static const struct {
    const char *name;
    int key;
    bool optional;
} canonical_names[] = {
    {"media", -2, false},
    {"special", -1, false},
    {"talk", 1, false},
    {"user", 2, false},
    {"user talk", 3, false},
    {"project", 4, false},
    {"project talk", 5, false},
    {"file", NAMESPACE_FILE, false},
    {"image", NAMESPACE_FILE, false},
    {"file talk", 7, false},
    {"image talk", 7, false},
    {"mediawiki", 8, false},
    {"mediawiki talk", 9, false},
    {"template", 10, false},
    {"template talk", 11, false},
    {"help", 12, false},
    {"help talk", 13, false},
    {"category", 14, false},
    {"category talk", 15, false},
    {"portal", 100, true},
    {"portal talk", 101, true},
    {"draft", 118, true},
    {"draft talk", 119, true},
    {"timedtext", 710, true},
    {"timedtext talk", 711, true},
    {"module", 828, true},
    {"module talk", 829, true},
};

/* Prefixes of other wikis, separated by blanks: the languages of Wikipedia, then the sister
 * projects and what else Wikimedia's interwiki map has that is in use. */
static const char interwiki_prefixes[] =
    "aa ab ace ady af ak als alt am ami an ang ann anp ar arc ary arz as ast atj av avk awa ay az "
    "azb ba ban bar bat-smg bbc bcl bdr be be-tarask be-x-old bew bg bh bi bjn blk bm bn bo bpy br "
    "bs btm bug bxr ca cbk-zam cdo ce ceb ch cho chr chy ckb co cr crh cs csb cu cv cy da dag de "
    "dga din diq dsb dtp dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu-vro fj fo fon fr "
    "frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc gur guw gv ha hak haw "
    "he "
    "hi hif ho hr hsb ht hu hy hyw hz ia iba id ie ig igl ii ik ilo inh io is it iu ja jam jbo jv "
    "ka kaa kab kbd kbp kcg kg kge ki kj kk kl km kn ko koi kr krc ks ksh ku kus kv kw ky la lad "
    "lb "
    "lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg mh mhr mi min mk "
    "ml mn mni mnw mo mos mr mrj ms mt mus mwl my myv mzn na nah nan nap nb nds nds-nl ne new ng "
    "nia "
    "nl nn no nov nqo nr nrm nso nv ny oc olo om or os pa pag pam pap pcd pcm pdc pdt pfl pi pih "
    "pl "
    "pms pnb pnt ps pt pwn qu rm rmy rn ro roa-rup roa-tara rsk ru rue rup rw sa sah sat sc scn "
    "sco "
    "sd se sg sgs sh shi shn shy si simple sk skr sl sm smn sn so sq sr srn ss st stq su sv sw szl "
    "szy ta tay tcy tdd te tet tg th ti tig tk tl tly tn to tpi tr trv ts tt tum tw ty tyv udm ug "
    "uk "
    "ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zgh zh zh-cfr "
    "zh-classical zh-cn zh-min-nan zh-tw zh-yue zu "
    "b beta betawikiversity bugzilla c chapter cm cnt commons d dbdump diff doi download ep f fc "
    "foundation foundationsite gerrit git google googlebooks gsearch hdl imdb imdbname imdbtitle "
    "incubator iso639-3 issn jstor listarchive m mail mailarchive mediazilla meta metawikimedia "
    "metawikipedia mw n oeis oldwikisource orcid otrswiki outreach outreachwiki petscan phab "
    "phabricator pmid pypi q quality rfc rt s spcom species strategy strategywiki sulutil svn "
    "tenwiki testwiki testwikidata ticket toollabs tools translatewiki tswiki tvtropes urbandict "
    "usability utrs v viaf voy vrts w wg wikia wikibooks wikicities wikidata wikifunctions "
    "wikimania wikimedia wikinews wikipedia wikipediawikipedia wikiquote wikisource wikisourcewiki "
    "wikispecies wikitech wikiversity wikivoyage wikt wiktionary wm wmar wmbe wmca wmch wmcz wmde "
    "wmdk wmes wmfi wmfr wmhk wmhu wmid wmil wmin wmit wmno wmnz wmpl wmpt wmse wmtw wmua wmuk "
    "wmus wmve worldcat xtools zdb";

struct rule {
    char *prefix; /* folded */
    enum link_kind kind;
    int key;       /* of the namespace */
    unsigned rank; /* the lowest holds where several have the same prefix */
};

struct link_rules {
    bool first_letter;
    size_t count, capacity;
    struct rule *rules; /* sorted by prefix */
};

/* --- Prefixes ------------------------------------------------------------------------------ */

/* Lower case, underscores as spaces. Returns the length; 0 if it is too long to be a prefix or
 * not UTF-8. */
static size_t fold_prefix(const char *text, size_t length, char out[static PREFIX_MAX_BYTES])
{
    size_t made = 0;

    while (length > 0) {
        utf8proc_int32_t code = (unsigned char)*text;
        utf8proc_ssize_t taken = 1;
        if (made + 4 >= PREFIX_MAX_BYTES)
            return 0;
        if (code < 0x80) {
            out[made++] = (char)(code >= 'A' && code <= 'Z' ? code | 0x20
                                 : code == '_'              ? ' '
                                                            : code);
        } else {
            taken =
                utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)length, &code);
            if (taken <= 0)
                return 0;
            made += (size_t)utf8proc_encode_char(utf8proc_tolower(code),
                                                 (utf8proc_uint8_t *)out + made);
        }
        text += taken;
        length -= (size_t)taken;
    }
    while (made > 0 && out[made - 1] == ' ')
        made--;
    out[made] = '\0';
    return made;
}

static int add_rule(struct link_rules *rules, const char *name, size_t length, enum link_kind kind,
                    int key)
{
    char prefix[PREFIX_MAX_BYTES];

    if (fold_prefix(name, length, prefix) == 0)
        return 0; /* no title could name it */
    if (rules->count == rules->capacity) {
        size_t capacity = rules->capacity ? 2 * rules->capacity : 1024;
        struct rule *grown = realloc(rules->rules, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        rules->rules = grown;
        rules->capacity = capacity;
    }
    struct rule *rule = &rules->rules[rules->count];
    *rule = (struct rule){.kind = kind, .key = key, .rank = (unsigned)rules->count};
    rule->prefix = strdup(prefix);
    if (!rule->prefix)
        return -ENOMEM;
    rules->count++;
    return 0;
}

static int compare_rules(const void *a, const void *b)
{
    const struct rule *left = a, *right = b;
    int order = strcmp(left->prefix, right->prefix);

    return order ? order : left->rank < right->rank ? -1 : 1;
}

static const struct rule *find_rule(const struct link_rules *rules, const char *prefix)
{
    size_t low = 0, high = rules->count;

    /* The first of equals, which has the lowest rank. */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(rules->rules[middle].prefix, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rules->count && strcmp(rules->rules[low].prefix, prefix) == 0 ? &rules->rules[low]
                                                                               : NULL;
}

static const char *namespace_name(const struct dump_site *site, int key)
{
    for (size_t i = 0; i < site->namespace_count; i++)
        if (site->namespaces[i].key == key)
            return site->namespaces[i].name;
    return NULL;
}

static int add_all(struct link_rules *rules, const struct dump_site *site)
{
    int err = 0;

    for (size_t i = 0; i < site->namespace_count && err == 0; i++)
        if (site->namespaces[i].key != 0)
            err = add_rule(rules, site->namespaces[i].name, strlen(site->namespaces[i].name),
                           LINK_NAMESPACE, site->namespaces[i].key);
    for (size_t i = 0; i < sizeof(canonical_names) / sizeof(canonical_names[0]) && err == 0; i++)
        if (!canonical_names[i].optional || namespace_name(site, canonical_names[i].key))
            err = add_rule(rules, canonical_names[i].name, strlen(canonical_names[i].name),
                           LINK_NAMESPACE, canonical_names[i].key);

    const char *project = namespace_name(site, 4);
    if (err == 0 && project && strcmp(project, "Wikipedia") == 0) {
        err = add_rule(rules, "wp", 2, LINK_NAMESPACE, 4);
        if (err == 0)
            err = add_rule(rules, "wt", 2, LINK_NAMESPACE, 5);
    }
    for (const char *at = interwiki_prefixes; *at && err == 0;) {
        size_t length = strcspn(at, " ");
        err = add_rule(rules, at, length, LINK_INTERWIKI, 0);
        at += length;
        at += strspn(at, " ");
    }
    return err;
}

int link_rules_create(struct link_rules **rules, const struct dump_site *site, struct fault *why)
{
    struct link_rules *made = calloc(1, sizeof(*made));

    if (!made || add_all(made, site) < 0) {
        link_rules_destroy(&made);
        *rules = NULL;
        return fault_set(why, ENOMEM, "out of memory for namespaces and interwiki prefixes");
    }
    qsort(made->rules, made->count, sizeof(made->rules[0]), compare_rules);
    made->first_letter = site->first_letter;
    *rules = made;
    return 0;
}

void link_rules_destroy(struct link_rules **rules)
{
    struct link_rules *old = *rules;

    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++)
        free(old->rules[i].prefix);
    free(old->rules);
    free(old);
    *rules = NULL;
}

/* --- Targets ------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A reference to a character that HTML does not have ("&#0;") is no text either: MediaWiki makes it
 * U+FFFD, which no title may have. */
static bool is_numeric_reference(const char *text, size_t length)
{
    size_t i = 2;
    bool hex = length > 2 && (text[2] | 0x20) == 'x';
    if (length < 4 || text[1] != '#')
        return false;
    for (i += hex; i < length && (hex ? hex_value(text[i]) >= 0 : isdigit((unsigned char)text[i]));)
        i++;
    return i > (hex ? 3U : 2U) && i < length && text[i] == ';';
}

static size_t decode_reference(const char *text, size_t length, char utf8[static ENTITY_UTF8_MAX],
                               size_t *utf8_length)
{
    size_t taken = entity_decode(text, length, utf8, utf8_length);
    if (taken > 0 || !is_numeric_reference(text, length))
        return taken;
    *utf8_length = 3;
    memcpy(utf8, "\xef\xbf\xbd", 3);
    return (size_t)((const char *)memchr(text, ';', length) - text) + 1;
}

/* %XX, then character references, in MediaWiki's order. Neither makes a target longer. */
static size_t decode_target(const char *target, size_t length, char out[static LINK_TARGET_BYTES])
{
    size_t made = 0;

    for (size_t i = 0; i < length; i++) {
        int high, low;
        if (target[i] == '%' && length - i > 2 && (high = hex_value(target[i + 1])) >= 0 &&
            (low = hex_value(target[i + 2])) >= 0) {
            out[made++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[made++] = target[i];
        }
    }
    length = made;
    made = 0;
    for (size_t i = 0; i < length;) {
        char bytes[ENTITY_UTF8_MAX];
        size_t count, taken = 0;
        if (out[i] == '&')
            taken = decode_reference(out + i, length - i, bytes, &count);
        if (taken == 0) {
            out[made++] = out[i++];
        } else {
            memcpy(out + made, bytes, count);
            made += count;
            i += taken;
        }
    }
    return made;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && strchr(" _\t\r", **text) && **text)
        (*text)++, (*length)--;
    while (*length > 0 && strchr(" _\t\r", (*text)[*length - 1]) && (*text)[*length - 1])
        (*length)--;
}

/* Bytes that no title has. */
static bool has_illegal(const char *title, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)title[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        switch (c) {
        case '#':
        case '<':
        case '>':
        case '[':
        case ']':
        case '{':
        case '}':
        case '|':
            return true;
        case 0xef: /* U+FFFD */
            if (length - i > 2 && memcmp(title + i, "\xef\xbf\xbd", 3) == 0)
                return true;
        }
    }
    return false;
}

/* MediaWiki takes [[http://...]] for an external link in odd brackets. */
static bool is_url(const char *title, size_t length)
{
    static const char *const protocols[] = {"http://", "https://", "ftp://", "//",
                                            "irc://",  "mailto:",  "news:"};

    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (length >= strlen(protocols[i]) &&
            strncasecmp(title, protocols[i], strlen(protocols[i])) == 0)
            return true;
    return false;
}

static enum link_kind as_it_stands(enum link_kind kind, const char *target, size_t length,
                                   char title[static TITLE_MAX_BYTES], size_t *title_length)
{
    *title_length = length < TITLE_MAX_BYTES ? length : TITLE_MAX_BYTES;
    memcpy(title, target, *title_length);
    return kind;
}

enum link_kind link_classify(const struct link_rules *rules, const char *target, size_t length,
                             char title[static TITLE_MAX_BYTES], size_t *title_length,
                             bool *is_file)
{
    char decoded[LINK_TARGET_BYTES];
    const char *name = target;
    size_t name_length = length;

    *is_file = false;
    if (length >= LINK_TARGET_BYTES)
        return as_it_stands(LINK_INVALID, target, length, title, title_length);
    if (memchr(name, '%', name_length) || memchr(name, '&', name_length)) {
        name_length = decode_target(target, length, decoded);
        name = decoded;
    }
    const char *hash = memchr(name, '#', name_length);
    if (hash)
        name_length = (size_t)(hash - name);
    trim(&name, &name_length);
    bool colon_first = name_length > 0 && name[0] == ':';
    if (colon_first) {
        name++;
        name_length--;
        trim(&name, &name_length);
    }
    if (name_length == 0)
        return as_it_stands(hash ? LINK_SECTION : LINK_INVALID, target, length, title,
                            title_length);

    int normal = title_normalise(name, name_length, rules->first_letter, title);
    if (normal <= 0 || title[0] == ':' || has_illegal(title, (size_t)normal))
        return as_it_stands(LINK_INVALID, target, length, title, title_length);
    *title_length = (size_t)normal;

    const char *colon = memchr(title, ':', *title_length);
    if ((colon || title[0] == '/') && is_url(title, *title_length))
        return as_it_stands(LINK_INVALID, target, length, title, title_length);
    char prefix[PREFIX_MAX_BYTES];
    if (!colon || fold_prefix(title, (size_t)(colon - title), prefix) == 0)
        return LINK_PAGE;
    const struct rule *rule = find_rule(rules, prefix);
    if (!rule)
        return LINK_PAGE;
    *is_file = rule->kind == LINK_NAMESPACE && rule->key == NAMESPACE_FILE && !colon_first;
    return rule->kind;
}
