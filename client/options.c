/* SPDX-License-Identifier: MIT
 *
 * A command's arguments: getopt_long over a list of typed options, and the messages for those who
 * get them wrong.
 */
#include "client/client.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#define SPECS_MAX ((size_t)16)

int client_usage(const struct client *client, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "forklore %s: ", client->command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: forklore %s %s\n", client->command->name, client->command->arguments);
    return CLIENT_USAGE;
}

static void client_help(const struct command *command)
{
    printf("usage: forklore %s %s\n\n%s.\n", command->name, command->arguments, command->summary);
    if (command->help)
        printf("\n%s", command->help);
    printf(
        "\nEvery command also takes -s, --socket PATH; --json; --timeout SECONDS; -h, --help.\n");
}

bool parse_count(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    /* strtoull takes "-1" and " 1"; a count starts with a digit. */
    if (*text < '0' || *text > '9')
        return false;
    *value = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool parse_real(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return *text && *end == '\0' && isfinite(*value);
}

int client_common_option(struct client *client, int letter, const char *argument)
{
    double seconds;
    switch (letter) {
    case 's':
        client->socket = argument;
        return -1;
    case COMMON_JSON:
        client->json = true;
        return -1;
    case COMMON_TIMEOUT:
        if (!parse_real(argument, &seconds) || seconds < 0 || seconds > 1e6) {
            fprintf(stderr, "forklore: --timeout takes seconds, 0 for no limit, not '%s'\n",
                    argument);
            return CLIENT_USAGE;
        }
        client->timeout_given = true;
        client->timeout_ms = seconds > 0 ? (int)ceil(seconds * 1000) : -1;
        return -1;
    default:
        return 0;
    }
}

static int take(struct client *client, const struct option_spec *spec, char *argument)
{
    struct value *value = spec->value;
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->value = true;
        return -1;
    case OPTION_COUNT:
        if (!parse_count(argument, &value->count))
            return client_usage(client, "--%s takes a whole number, not '%s'", spec->name,
                                argument);
        break;
    case OPTION_REAL:
        if (!parse_real(argument, &value->real))
            return client_usage(client, "--%s takes a number, not '%s'", spec->name, argument);
        break;
    case OPTION_TEXT:
        value->text = argument;
        break;
    case OPTION_TEXTS: {
        struct values *values = spec->value;
        const char **items =
            realloc(values->items, (values->count + (size_t)1) * sizeof *values->items);
        if (!items)
            return client_fail(CLIENT_REFUSED, "out of memory");
        items[values->count++] = argument;
        values->items = items;
        return -1;
    }
    }
    value->given = true;
    return -1;
}

int client_options(struct client *client, int *argc, char ***argv, const struct option_spec *specs,
                   int least, int most)
{
    struct option options[SPECS_MAX + 5] = {COMMON_OPTIONS};
    char letters[2 * SPECS_MAX + sizeof COMMON_LETTERS + 2] = ":" COMMON_LETTERS;
    size_t option_count = 4, letter_count = strlen(letters);
    enum { FIRST_SPEC = 512 };
    for (size_t i = 0; specs && specs[i].name; i++) {
        MUST(i < SPECS_MAX);
        const bool flag = specs[i].kind == OPTION_FLAG;
        options[option_count++] = (struct option){
            specs[i].name, flag ? no_argument : required_argument, NULL, FIRST_SPEC + (int)i};
        if (specs[i].letter) {
            letters[letter_count++] = specs[i].letter;
            if (!flag)
                letters[letter_count++] = ':';
        }
    }
    optind = 0; /* glibc: begin again, with another argument list */
    for (int letter; (letter = getopt_long(*argc, *argv, letters, options, NULL)) != -1;) {
        const char *culprit = (*argv)[optind - 1];
        if (letter == 'h') {
            client_help(client->command);
            return CLIENT_DONE;
        }
        if (letter == ':')
            return client_usage(client, "'%s' needs a value", culprit);
        if (letter == '?' && optopt > 0 && optopt < COMMON_TIMEOUT)
            return client_usage(client, "unknown option '-%c'", optopt);
        if (letter == '?')
            return client_usage(client, "unknown, ambiguous or wrongly used option '%s'", culprit);
        int code = client_common_option(client, letter, optarg);
        for (size_t i = 0; code == 0; i++) {
            MUST(specs && specs[i].name);
            if (letter == FIRST_SPEC + (int)i || letter == specs[i].letter)
                code = take(client, &specs[i], optarg);
        }
        if (code > 0)
            return code;
    }
    *argc -= optind;
    *argv += optind;
    if (*argc < least)
        return client_usage(client, "too few arguments");
    if (*argc > most)
        return client_usage(client, "'%s' is one argument too many (quote what has spaces)",
                            (*argv)[most]);
    return -1;
}

void put_count(struct wire_out *out, const struct value *value)
{
    if (value->given)
        wire_uint(out, value->count);
    else
        wire_nil(out);
}

void put_real(struct wire_out *out, const struct value *value)
{
    if (value->given)
        wire_double(out, value->real);
    else
        wire_nil(out);
}

void put_text(struct wire_out *out, const struct value *value)
{
    if (value->given)
        wire_cstr(out, value->text);
    else
        wire_nil(out);
}
