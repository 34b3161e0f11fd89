/* SPDX-License-Identifier: MIT
 *
 * Full-text search of the index being built, beside everything else: one thread makes pages
 * readable, gathers their words, and in the end encodes them; one writes the passages of what has
 * become readable. Either is ahead of the next one by a few megabytes at most, or by one page.
 */
#ifndef FORKLORE_COORDINATOR_BUILD_WORD_THREAD_H
#define FORKLORE_COORDINATOR_BUILD_WORD_THREAD_H

#include "coordinator/build/passage_writer.h"

struct word_thread;

/* `folder` is where sorted runs of words go; `stem`, if not NULL, is postings_build_stem()'s
 * language; `passages` is the threads' from now on until they have been finished or destroyed. */
int word_thread_create(struct word_thread **thread, const char *folder, const char *stem,
                       struct passage_writer *passages, struct fault *why);
/* At any time: waits for the page in hand only. */
void word_thread_destroy(struct word_thread **thread);

/* The next vertex, copied: its title and its wikitext. Fails with what a thread failed with. */
int word_thread_add(struct word_thread *thread, const char *title, size_t title_length,
                    const char *text, size_t text_length, struct fault *why);

/* There are no more pages: what is left is encoding. */
void word_thread_end(struct word_thread *thread);

/* Waits for that; `built` is the caller's, and `passages` is finished. */
int word_thread_finish(struct word_thread *thread, struct postings_built *built, struct fault *why);

#endif
