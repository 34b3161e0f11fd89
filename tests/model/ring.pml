/* SPDX-License-Identifier: MIT
 *
 * The ring, the bell and what a crash leaves behind (docs/ring.md, ipc/ring.c, ipc/bell.c): one
 * producer, one reader, RECORDS records through a ring of CAPACITY; either sleeps whenever it has
 * nothing to do. spin tries every interleaving, in every order that C11 allows the memory:
 *
 *   Stores wait in their thread's buffer and become visible later. A relaxed one may overtake what
 *   is before it, unless that is to the same word; a release one may not. Before a seq_cst load,
 *   the seq_cst stores of the thread have become visible. A load happens where it stands, unless
 *   a missing acquire or release lets the one beside it come first: see EARLY.
 *
 * Wrong is a record that is not the one expected (assert), and a state in which nobody can go on
 * (an invalid end state): a lost wake-up. -DKILL_PRODUCER and -DKILL_READER let one of them be
 * killed between any two steps, with the coordinator's repair and a successor.
 *
 * -DNO_X leaves the order or the step X out, and that has to go wrong (tests/model/check). Orders:
 * PUBLISH_RELEASE PUBLISH_SC RING_SC SLEEP_SC PENDING_SC READ_ACQUIRE GIVE_BACK_RELEASE
 * GIVE_BACK_SC RESERVE_SC RESERVE_ACQUIRE. Steps: PENDING (the re-check) ROOM_PENDING (a producer's)
 * COUNT (each sleep has a word of its own) CAS (of a ringer: only what it saw is made "awake")
 * RING_FIRST (and only after ringing) REPAIR (somebody rings for the dead).
 */
#ifndef RECORDS
#define RECORDS 3
#endif
#define CAPACITY 2 /* in records */

#define PRODUCER 0
#define READER   1

#ifdef NO_PUBLISH_RELEASE
#define PUBLISH TOTAL
#elif defined(NO_PUBLISH_SC)
#define PUBLISH RELEASE
#else
#define PUBLISH SC
#endif
#ifdef NO_GIVE_BACK_SC
#define GIVE_BACK RELEASE
#else
#define GIVE_BACK SC
#endif
#ifdef NO_SLEEP_SC
#define SLEEP RELEASE
#else
#define SLEEP SC
#endif
#ifdef NO_RING_SC
#define RING RELAXED
#else
#define RING SC
#endif
#ifdef NO_PENDING_SC
#define PENDING RELAXED
#else
#define PENDING SC
#endif
#ifdef NO_RESERVE_SC
#define RESERVE RELAXED
#else
#define RESERVE SC
#endif

/* --- Memory ----------------------------------------------------------------------------------- */

/* Words: the slots [0, CAPACITY), and: */
#define TAIL      CAPACITY
#define HEAD      (CAPACITY + 1)
#define BELL(who) (CAPACITY + 2 + (who))

/* A store's order: a release, in the order of all seq_cst operations, or both. */
#define RELAXED 0
#define RELEASE 1
#define TOTAL   2
#define SC      (RELEASE | TOTAL)

#define WAITING 3 /* stores in a thread's buffer */

typedef store_buffer {
    byte word[WAITING];
    byte value[WAITING];
    byte order[WAITING];
    byte count
};

byte memory[CAPACITY + 4];
store_buffer buffer[2];
bool event[2]; /* the eventfd has been written to since its owner last woke */

#define OWN buffer[me]

inline store(where, what, how)
{
    d_step {
        OWN.count < WAITING;
        OWN.word[OWN.count] = where;
        OWN.value[OWN.count] = what;
        OWN.order[OWN.count] = how;
        OWN.count++
    }
}

#define HAS_SC(i)  (OWN.count > (i) && (OWN.order[i] & TOTAL))
#define IS(i, where) (OWN.count > (i) && OWN.word[i] == (where))

/* What the thread itself stored last comes first. */
inline load(where, to, how)
{
    d_step {
        (!(how & TOTAL) || !(HAS_SC(0) || HAS_SC(1) || HAS_SC(2)));
        to = memory[where];
        if
        :: IS(0, where) -> to = OWN.value[0]
        :: else
        fi;
        if
        :: IS(1, where) -> to = OWN.value[1]
        :: else
        fi;
        if
        :: IS(2, where) -> to = OWN.value[2]
        :: else
        fi
    }
}

/* seq_cst, both ways. */
inline compare_and_swap(where, from, to)
{
    d_step {
        OWN.count == 0;
        if
        :: memory[where] == from -> memory[where] = to
        :: else
        fi
    }
}

inline commit(i)
{
    memory[OWN.word[i]] = OWN.value[i];
    if
    :: i < 1 ->
        OWN.word[0] = OWN.word[1];
        OWN.value[0] = OWN.value[1];
        OWN.order[0] = OWN.order[1]
    :: else
    fi;
    if
    :: i < 2 ->
        OWN.word[1] = OWN.word[2];
        OWN.value[1] = OWN.value[2];
        OWN.order[1] = OWN.order[2]
    :: else
    fi;
    OWN.word[2] = 0;
    OWN.value[2] = 0;
    OWN.order[2] = 0;
    OWN.count--
}

/* A thread's stores on their way to memory. */
proctype memory_of(byte me)
{
end:
    do
    :: d_step { OWN.count > 0 -> commit(0) }
    :: d_step {
            OWN.count > 1 && !(OWN.order[1] & RELEASE) && OWN.word[1] != OWN.word[0] -> commit(1)
        }
    :: d_step {
            OWN.count > 2 && !(OWN.order[2] & RELEASE) && OWN.word[2] != OWN.word[0] &&
                OWN.word[2] != OWN.word[1] -> commit(2)
        }
    od
}

/* --- bell.c ----------------------------------------------------------------------------------- */

#ifdef NO_CAS
#define MAKE_AWAKE(who) store(BELL(who), seen + 1, SC)
#elif defined(NO_COUNT)
#define MAKE_AWAKE(who) compare_and_swap(BELL(who), 1, 0)
#else
#define MAKE_AWAKE(who) compare_and_swap(BELL(who), seen, seen + 1)
#endif

inline bell_ring(who)
{
    load(BELL(who), seen, RING);
    if
    :: seen % 2 == 1 ->
#ifdef NO_RING_FIRST
        MAKE_AWAKE(who);
        event[who] = true
#else
        event[who] = true;
        MAKE_AWAKE(who)
#endif
    :: else
    fi;
    seen = 0
}

inline bell_sleep()
{
    load(BELL(me), seen, RELAXED);
#ifdef NO_COUNT
    store(BELL(me), 1, SLEEP);
#else
    store(BELL(me), (seen + 1) | 1, SLEEP);
#endif
    seen = 0
}

inline bell_awake()
{
    load(BELL(me), seen, RELAXED);
    if
    :: seen % 2 == 1 ->
#ifdef NO_COUNT
        compare_and_swap(BELL(me), 1, 0)
#else
        compare_and_swap(BELL(me), seen, seen + 1)
#endif
    :: else
    fi;
    seen = 0
}

inline wait_for_event()
{
    d_step { event[me] -> event[me] = false }
}

/* --- ring.c ----------------------------------------------------------------------------------- */

bool dead[2], gone[2];

#define FULL (tail + 1 - head > CAPACITY)

/* Record number n has the value n + 1; slots begin with 0. */
inline write_record()
{
    store(tail % CAPACITY, tail + 1, RELAXED)
}

/* ring_reserve(), and waiting for room as worker.c's reserve_reply() does. */
inline reserve()
{
    written = false;
    do
    :: FULL ->
        load(HEAD, head, RESERVE);
        if
        :: !FULL -> break
        :: else
        fi;
#ifdef NO_RESERVE_ACQUIRE
        if
        :: true /* EARLY: the record is written before the load of head that shows room for it */
            ->
            write_record();
            written = true;
            (memory[HEAD] + CAPACITY > tail);
            load(HEAD, head, RELAXED);
            break
        :: true
        fi;
#endif
        bell_sleep();
#ifndef NO_ROOM_PENDING
        load(HEAD, head, RESERVE);
#endif
        if
        :: FULL -> wait_for_event()
        :: else
        fi;
        bell_awake()
    :: else -> break
    od
}

proctype produce()
{
    byte me = PRODUCER, seen, head, tail;
    bool written;
    {
        /* ring_writer_attach(); bell_open() for a successor */
        bell_awake();
        load(TAIL, tail, RELAXED);
        load(HEAD, head, RELAXED);
        do
        :: tail < RECORDS ->
            reserve();
            if
            :: !written -> write_record()
            :: else
            fi;
            tail++;
            store(TAIL, tail, PUBLISH);
            bell_ring(READER)
        :: else -> break
        od
    } unless { dead[PRODUCER] };
    gone[PRODUCER] = true
}

proctype read()
{
    byte me = READER, seen, next, tail, value;
    bool early;
    {
        bell_awake();
        load(HEAD, next, RELAXED);
        tail = next;
        do
        :: next < RECORDS ->
            /* ring_read() */
#ifdef NO_READ_ACQUIRE
            if
            :: next == tail -> /* EARLY: the record is read before the tail that shows it */
                load(next % CAPACITY, value, RELAXED);
                early = true
            :: true
            fi;
#endif
            if
            :: next == tail -> load(TAIL, tail, RELAXED)
            :: else
            fi;
            if
            :: next == tail ->
                early = false;
                bell_sleep();
#ifdef NO_PENDING
                wait_for_event();
#else
                load(TAIL, value, PENDING);
                if
                :: value == next -> wait_for_event()
                :: else
                fi;
#endif
                bell_awake()
            :: else ->
#ifdef NO_GIVE_BACK_RELEASE
                /* EARLY: given back before it is read */
                store(HEAD, next + 1, GIVE_BACK);
#endif
                if
                :: !early -> load(next % CAPACITY, value, RELAXED)
                :: else
                fi;
                early = false;
                next++;
                assert(value == next);
#ifndef NO_GIVE_BACK_RELEASE
                store(HEAD, next, GIVE_BACK);
#endif
                bell_ring(PRODUCER)
            fi;
            value = 0
        :: else -> break
        od
    } unless { dead[READER] };
    gone[READER] = true
}

/* --- A death ---------------------------------------------------------------------------------- */

/* The coordinator, which learns of it when the stores of the dead have become visible; it rings for
 * a producer. Nobody does for a reader: whoever can be killed while it reads has a producer that
 * does not wait for room (-DRECORDS=CAPACITY). */
proctype coordinator(byte me)
{
    byte seen;
    dead[me] = true;
    gone[me] && OWN.count == 0;
    dead[me] = false;
    if
    :: me == PRODUCER ->
#ifndef NO_REPAIR
        bell_ring(READER);
#endif
        run produce()
    :: else -> run read()
    fi
}

init
{
    atomic {
        run memory_of(PRODUCER);
        run memory_of(READER);
        run produce();
        run read();
#ifdef KILL_PRODUCER
        run coordinator(PRODUCER);
#endif
#ifdef KILL_READER
        run coordinator(READER);
#endif
    }
}
