/* SPDX-License-Identifier: MIT
 *
 * A worker that dies at any step, and what the coordinator does then (coordinator/crew.c,
 * coordinator/dispatch.c, worker/worker.c): every request is answered once, whatever happens to the
 * workers. Requests go through a ring that holds ROOM of them, are taken in batches of BATCH, and
 * are answered together; the one called LONG in two pieces of its own. KILLS workers are killed
 * from outside, between any two of their steps. With -DPOISON=ticket workers die of that request,
 * and say which it was; with -DLIES they may say anything before they die. With -DDRAWS=ticket it
 * is from outside that whoever is at that request is killed, every time.
 *
 * A request is given up after DEATHS_MAX deaths of the worker's own doing that it was at, or after
 * LOSSES_MAX of whatever kind. Here these are few, but more than an innocent request meets:
 * KILLS, and one lie.
 *
 * The rings themselves, their memory's order and the bells are ring.pml's: here a store is seen at
 * once, and the coordinator is woken by an answer or a death. Room in a request ring wakes nobody.
 *
 * Wrong are: an answer that is a second one, or put together from two (assert); a refusal of a
 * request that neither kills nor draws a killer, a worker more than DEATHS_MAX that died of one and
 * said so, or more than LOSSES_MAX that were lost with one (assert); a request that nobody ever
 * answers (an invalid end state). -DNO_X leaves a step out, and that has to go wrong
 * (tests/model/check): REQUEUE of what a dead worker held, CLEAR of the pieces it sent, GIVE_BACK
 * (requests are given back before their answers show), GIVE_BACK_LONG (the same for an answer in
 * pieces), DEATHS_LIMIT and LOSSES_LIMIT, OUTSIDE (a kill from outside is no death that counts),
 * PULSE (the worker says which request it is at), SUSPECT (if it does not, the first one that it
 * had is taken for it), ALONE (what a dead worker held goes out one by one).
 */
#define TICKETS 3
#define WORKERS 1
#define ROOM    2
#define BATCH   2
#define REPLIES 8 /* never full here: ring.pml has that */
#ifndef KILLS
#define KILLS 2
#endif
#define DEATHS_MAX 2
#define LOSSES_MAX (KILLS + 3)
#define LIVES      (WORKERS + KILLS + LOSSES_MAX + 2)
#define NOBODY     255
#ifndef LONG
#define LONG 0
#endif
#ifndef POISON
#define POISON NOBODY
#endif
#ifndef DRAWS
#define DRAWS NOBODY
#endif

typedef request_ring { byte ticket[ROOM]; byte head; byte tail };
typedef reply_ring { byte ticket[REPLIES]; bool more[REPLIES]; byte made[REPLIES]; byte tail };

request_ring requests[WORKERS];
reply_ring replies[WORKERS];

/* Lives are numbered; a worker's place has one at a time. */
byte life[WORKERS], lives;
bool doomed[LIVES], killed[LIVES], outside[LIVES], exited[LIVES];
byte kills, runs;

/* What the worker is at, as it says (ipc/pulse.h). */
byte pulse[WORKERS];

/* --- The worker ------------------------------------------------------------------------------- */

inline stage(whose, is_more)
{
    replies[w].ticket[(tail + staged) % REPLIES] = whose;
    replies[w].more[(tail + staged) % REPLIES] = is_more;
    replies[w].made[(tail + staged) % REPLIES] = run_number;
    staged++
}

inline publish()
{
    d_step {
        tail = tail + staged;
        staged = 0;
        replies[w].tail = tail
    }
}

inline release()
{
    requests[w].head = next
}

inline give_back()
{
#ifdef NO_GIVE_BACK
    publish();
    release()
#else
    release();
    publish()
#endif
}

inline say(whose)
{
#ifndef NO_PULSE
    pulse[w] = whose
#else
    skip
#endif
}

/* Its last word. */
inline lie()
{
#ifdef LIES
    if
    :: pulse[w] = 0
    :: pulse[w] = 1
    :: pulse[w] = 2
    :: pulse[w] = NOBODY
    :: skip
    fi
#else
    skip
#endif
}

inline run_request()
{
    d_step {
        runs++;
        run_number = runs;
        say(mine)
    };
    if
    :: atomic { mine == POISON -> lie(); killed[self] = true }; false
    :: atomic { mine == DRAWS -> outside[self] = true; killed[self] = true }; false
    :: mine == LONG ->
#ifndef NO_GIVE_BACK_LONG
        release();
#endif
        stage(mine, true);
        publish();
        stage(mine, false);
        publish();
        say(NOBODY)
    :: else ->
        d_step {
            stage(mine, false);
            say(NOBODY)
        }
    fi
}

proctype worker(byte w; byte self)
{
    byte next, tail, staged, run_number, mine;
    {
        d_step {
            next = requests[w].head;
            tail = replies[w].tail
        };
    end:
        do
        :: next != requests[w].tail ->
            do
            :: next != requests[w].tail && staged < BATCH ->
                mine = requests[w].ticket[next % ROOM];
                next++;
                run_request()
            :: else -> break
            od;
            give_back()
        od
    } unless { killed[self] };
    exited[self] = true
}

/* SIGKILL is on its way: it goes on until it is there. */
proctype kernel(byte victim)
{
    d_step {
        outside[victim] = outside[victim] || !killed[victim];
        killed[victim] = true
    }
}

/* --- The coordinator -------------------------------------------------------------------------- */

#define FREE    0
#define IN_LINE 1
#define SENT    2

byte state[TICKETS], sent[TICKETS], pieces[TICKETS], at_worker[TICKETS];
byte deaths[TICKETS], losses[TICKETS];
byte died_of_it; /* workers, of the poison */
bool alone[TICKETS];
byte answered, in_flight[WORKERS], next_sent, next_reply[WORKERS];

inline finish(t)
{
    assert(state[t] != FREE); /* once */
    state[t] = FREE;
    answered++
}

/* dispatch_answer() */
inline take_replies(w)
{
    do
    :: next_reply[w] != replies[w].tail ->
        t = replies[w].ticket[next_reply[w] % REPLIES];
        if
        :: state[t] == SENT && at_worker[t] == w ->
            if
            :: replies[w].more[next_reply[w] % REPLIES] ->
                assert(pieces[t] == 0);
                pieces[t] = replies[w].made[next_reply[w] % REPLIES]
            :: else ->
                /* All of it is of one run. */
                assert(t != LONG || pieces[t] == replies[w].made[next_reply[w] % REPLIES]);
                in_flight[w]--;
                finish(t)
            fi
        :: else
        fi;
        next_reply[w]++
    :: else -> break
    od;
    t = 0
}

inline start_worker(w)
{
    life[w] = lives;
    lives++;
    run worker(w, life[w])
}

/* What the worker was at, if it had that; or else the first one that it had, which may have been
 * lost with it, but is not said to have killed it. */
inline blame(w)
{
    suspect = NOBODY;
    if
    :: pulse[w] != NOBODY && state[pulse[w]] == SENT && at_worker[pulse[w]] == w ->
        suspect = pulse[w];
        if
#ifndef NO_OUTSIDE
        :: outside[life[w]]
#endif
        :: else -> deaths[suspect]++
        fi
    :: else ->
#ifndef NO_SUSPECT
        do
        :: t < TICKETS ->
            if
            :: state[t] == SENT && at_worker[t] == w ->
                if
                :: suspect == NOBODY -> suspect = t
                :: suspect != NOBODY && sent[t] < sent[suspect] -> suspect = t
                :: else
                fi
            :: else
            fi;
            t++
        :: else -> break
        od;
        t = 0
#else
        skip
#endif
    fi;
    if
    :: suspect != NOBODY -> losses[suspect]++
    :: else
    fi;
    if
    :: killed[life[w]] && !outside[life[w]] -> died_of_it++
    :: else
    fi;
#ifndef LIES
    assert(died_of_it <= DEATHS_MAX);
#endif
    assert(died_of_it <= LOSSES_MAX + 1);
    assert(lives <= WORKERS + KILLS + LOSSES_MAX + 1)
}

inline requeue(w)
{
    do
    :: t < TICKETS ->
        if
        :: state[t] == SENT && at_worker[t] == w ->
            if
#ifndef NO_DEATHS_LIMIT
            :: deaths[t] >= DEATHS_MAX ->
                assert(t == POISON);
                finish(t)
#endif
#ifndef NO_LOSSES_LIMIT
            :: losses[t] >= LOSSES_MAX ->
                assert(t == POISON || t == DRAWS);
                finish(t)
#endif
            :: else ->
#ifndef NO_REQUEUE
                state[t] = IN_LINE;
#endif
#ifndef NO_ALONE
                alone[t] = true;
#endif
#ifndef NO_CLEAR
                pieces[t] = 0;
#endif
                skip
            fi
        :: else
        fi;
        t++
    :: else -> break
    od;
    t = 0;
    in_flight[w] = 0
}

/* on_exit_fd(): the last replies count, the rings begin anew, the requests go to somebody else. */
inline bury(w)
{
    take_replies(w);
    requests[w].head = 0;
    requests[w].tail = 0;
    replies[w].tail = 0;
    next_reply[w] = 0;
    blame(w);
    pulse[w] = NOBODY;
    requeue(w);
    start_worker(w)
}

/* dispatch_pump(): in order; what killed once has a worker to itself. */
inline pump(w)
{
    lonely = false;
    do
    :: t < TICKETS && state[t] == SENT && at_worker[t] == w && alone[t] -> lonely = true; t++
    :: t < TICKETS && !(state[t] == SENT && at_worker[t] == w && alone[t]) -> t++
    :: else -> break
    od;
    t = 0;
    do
    :: t < TICKETS && state[t] == IN_LINE ->
        if
        :: lonely || (alone[t] && in_flight[w] > 0) ||
               requests[w].tail - requests[w].head == ROOM ->
            break
        :: else ->
            requests[w].ticket[requests[w].tail % ROOM] = t;
            requests[w].tail++;
            state[t] = SENT;
            at_worker[t] = w;
            sent[t] = next_sent;
            next_sent++;
            in_flight[w]++;
            lonely = alone[t];
            t++
        fi
    :: t < TICKETS && state[t] != IN_LINE -> t++
    :: t == TICKETS -> break
    od;
    t = 0
}

active proctype coordinator()
{
    byte t, suspect;
    bool lonely;
    d_step {
        do
        :: t < TICKETS -> state[t] = IN_LINE; t++
        :: else -> break
        od;
        t = 0;
        pulse[0] = NOBODY
    };
    atomic { start_worker(0) };
    do
    :: answered < TICKETS ->
        /* A turn. */
        atomic { take_replies(0) };
        atomic { pump(0) };
        if
        :: answered == TICKETS
        :: next_reply[0] != replies[0].tail
        :: atomic { exited[life[0]] -> bury(0) }
        :: atomic {
                kills < KILLS && in_flight[0] > 0 && !doomed[life[0]] ->
                    kills++;
                    doomed[life[0]] = true;
                    run kernel(life[0])
            }
        fi
    :: else -> break
    od
}
