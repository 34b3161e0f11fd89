/* SPDX-License-Identifier: MIT
 *
 * From a MediaWiki dump to the parts of an index, in three steps: reading it once, page by page;
 * resolving titles and redirects; resolving links. What is kept of a page in memory is its record,
 * its title and 4 bytes per link, never its text.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_WIKI_H
#define FORKLORE_COORDINATOR_BUILD_WIKI_H

#include "coordinator/build/build.h"
#include "coordinator/build/parts.h"
#include "coordinator/build/progress.h"
#include "coordinator/dump/bytes.h"

struct wiki;

/* `report` is borrowed and filled in by all three steps. */
int wiki_create(struct wiki **wiki, struct build_report *report, struct fault *why);
void wiki_destroy(struct wiki **wiki);

/* Reads the dump to its end; article text goes to parts->text, site names to parts->meta. */
int wiki_read(struct wiki *wiki, struct byte_source *source, struct build_parts *parts,
              struct progress *progress, struct fault *why);

/* Follows redirects to their ends and builds parts->titles and parts->pages. */
int wiki_titles(struct wiki *wiki, struct build_parts *parts, struct fault *why);

/* Turns link targets into arcs, the lost ones counted; `wiki` is empty afterwards. */
int wiki_arcs(struct wiki *wiki, struct build_parts *parts, struct fault *why);

#endif
