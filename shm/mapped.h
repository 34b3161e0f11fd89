/* SPDX-License-Identifier: MIT
 *
 * Reading a mapped file that somebody may cut short, or that a disk fails to deliver: the kernel
 * says so by SIGBUS, wherever the reading is. A piece of work that is run here ends instead.
 */
#ifndef FORKLORE_SHM_MAPPED_H
#define FORKLORE_SHM_MAPPED_H

#include <stdbool.h>

/* Once per process; forked children inherit it. */
void mapped_init(void);

/* Runs work(owner); false if it met what cannot be read and was left there, whatever it held: its
 * memory is lost, and what it was changing is not to be used any more. May be nested. */
bool mapped_run(void (*work)(void *owner), void *owner);

/* In words, for whoever is told. */
#define MAPPED_GONE "the index file cannot be read any more: it was cut short, or its disk fails"

#endif
