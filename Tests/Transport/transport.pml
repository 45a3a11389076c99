/* One queue of FUSE over io_uring. Its server is killed at any step, and the next one goes on.
 *
 * The kernel's steps follow fs/fuse/dev_uring.c, io_uring/cancel.c and io_uring/tw.c of Linux 6.18. The
 * server's steps follow ring.c, rings.c, slots.c and serving.c of HandleFS, and its journal. Each option of
 * Thread is one step, and a kill can come before each. Each client sends any number of requests, and the
 * server is killed any number of times. Tests/Transport/run checks:
 * - No request waits for ever: there is no state in which nothing can happen while a client waits.
 * - No request waits in the queue while a thread has nothing to do.
 * - Each change is carried out once.
 * - Each request is answered once, with the complete reply to itself.
 *
 * The model does not keep the numbers of requests, so that it has few states. It only keeps whether the
 * number in a place is that of the present request. Nothing is lost by that, because the kernel gives no
 * number twice. */

#define SLOTS 2
#ifndef CLIENTS
#define CLIENTS 2
#endif

/* What can be broken on purpose, one at a time (-DBREAK=noDraw). Each must be found. */
mtype:rule = {
    noDraw,        /* draw_queued() is not called */
    timeLimit,     /* draw_queued() does not wait for all threads */
    earlyBegun,    /* note_begun() comes before it is known that the commit of an old reply found its request */
    newEntry,      /* begin() registers the slot, whatever is in it */
    noNewEntry,    /* handle() does not register the slot after a commit that found nothing */
    takesAgain,    /* begin() takes a request that was begun from the kernel's places again */
    notResent,     /* begin() does not mark a request that was begun as resent */
    noIntent,      /* the journal is ignored for a resent request */
    earlyForget,   /* the intent is forgotten before the reply is complete */
    notAnswered,   /* begin() carries out a request that was answered as a resent one */
    earlyAnswered, /* `answered` is set before the reply is complete */
    answeredFlag,  /* `answered` does not say which request was answered */
    earlyCommit,   /* the commit comes before show_reply() */
    noPoll,        /* the kernel does not wait for a killed thread's task work: no watch_unused() */
    nothing
};
#ifndef BREAK
#define BREAK nothing
#endif
#define breaks(rule) (BREAK == rule)

/* MARK: The kernel */

/* An entry (struct fuse_ring_ent). It is not there; it can be given a request; it was given one that is
 * not in the slot yet; the request is in the slot, and a commit can find it; the request was answered, and
 * the next one is being fetched. */
mtype:entry = { gone, available, assigned, delivered, committed };
mtype:entry entry[SLOTS] = gone;
/* The request of an entry: the number of its client, or DRAWN if the server asked for it itself. */
#define DRAWN CLIENTS
byte requestOf[SLOTS];
/* The requests that found no available entry. */
chan queue = [CLIENTS] of { byte };
/* Whether requests come over io_uring (ring->ready). In truth they come when the first slot of each queue is
 * registered. Until the others are, for a moment after the mount, a request may wait behind a slow one. */
bool isReady;

/* MARK: The clients */

/* Whether a client waits for a reply, and whether its request changes something. The reply to a change
 * is short. Other replies are long, and are written straight to the payload. */
bool waits[CLIENTS], changes[CLIENTS];
/* How often the change was carried out, and whether the journal has an intent for it. */
byte timesDone[CLIENTS];
bool intent[CLIENTS];

/* MARK: The memory of a slot (struct slot) */

/* The number in the slot: 0, that of a request that was answered, or that of the present one. */
mtype:number = { none, old, present };
mtype:number id[SLOTS] = none;
/* Whether `taken` and `answered` equal the number. */
bool isTaken[SLOTS], isAnswered[SLOTS];
/* The contents of the kernel's places, of the server's copy of the request, and of the reply: what belongs
 * to another request; the request; something incomplete; the reply. */
mtype:content = { stale, request, partial, reply };
mtype:content places[SLOTS] = stale, copied[SLOTS] = stale, built[SLOTS] = stale;

/* MARK: The server */

/* The next step of a slot's thread. */
mtype:step = {
    begins, registers1, registers2, idles, takes1, takes2, notes, acts, builds1, builds2, answers,
    forgets, shows1, shows2, commits, fetches, dead
};
mtype:step at[SLOTS] = begins;
/* Whether the thread has marked the request as resent. */
bool isResent[SLOTS];
bool isKilled;
/* Whether the thread has called note_begun(): its entry is available, or it will commit a request. */
bool isBegun[SLOTS];
/* What the main thread does: it waits for the others, draws, is done, or is dead. */
mtype:main = { mainWaits, mainDraws, mainIdles, mainDead };
mtype:main atMain = mainIdles;

/* MARK: What the kernel does */

/* fuse_uring_queue_fuse_req(). The kernel takes the entry that was used last; here it may be either. */
inline send(number) {
  if
  :: entry[0] == available -> entry[0] = assigned; requestOf[0] = number
  :: entry[1] == available -> entry[1] = assigned; requestOf[1] = number
  :: else ->
    if
    :: number == DRAWN /* In the queue, it would make no difference. */
    :: else -> queue!number
    fi
  fi
}

/* fuse_uring_prepare_send() and fuse_uring_send(): the request is copied to the slot. From here on, what
 * the server has noted there belongs to another request. */
inline deliver(s) {
  entry[s] = delivered; places[s] = request; id[s] = present;
  isTaken[s] = false; isAnswered[s] = (breaks(answeredFlag) -> isAnswered[s] : false);
  copied[s] = stale; built[s] = stale
}

/* fuse_request_end(): the client goes on. */
inline finish(number, answer) {
  if
  :: number == DRAWN
  :: else ->
    assert(waits[number]);
    assert(answer == reply);
    assert(!changes[number] || timesDone[number] == 1);
    waits[number] = false; changes[number] = false;
    timesDone[number] = 0; intent[number] = false
  fi
}

/* io_uring_cancel_generic() in a killed thread: a request that its entry was given is copied to the slot
 * before the thread ends, and an entry without a request is taken back. */
inline cancel(s) {
  if
  :: entry[s] == assigned && breaks(noPoll) -> finish(requestOf[s], stale); entry[s] = gone
  :: entry[s] == assigned && !breaks(noPoll) -> deliver(s)
  :: entry[s] == available -> entry[s] = gone
  :: else
  fi
}

/* MARK: Processes */

proctype Client(byte me) {
  do
  :: atomic {
      isReady && !waits[me] ->
      waits[me] = true;
      if
      :: changes[me] = true
      :: changes[me] = false
      fi;
      send(me)
    }
  :: atomic { !waits[me] -> break }
  od
}

/* A slot, and the threads that serve it one after the other. */
proctype Thread(byte s) {
end:
  do
  /* begin() */
  :: atomic {
      at[s] == begins ->
      if
      :: id[s] == none || breaks(newEntry) -> at[s] = registers1
      :: else ->
        isBegun[s] = !isAnswered[s] || breaks(earlyBegun); /* It will be committed, which fetches what waits. */
        if
        :: !isTaken[s] && !(isAnswered[s] && breaks(answeredFlag)) -> at[s] = takes1
        :: isTaken[s] && (!isAnswered[s] || breaks(notAnswered)) ->
          isResent[s] = !breaks(notResent);
          at[s] = (breaks(takesAgain) -> takes1 : notes)
        :: else -> at[s] = shows1
        fi
      fi
    }

  /* register_slot() */
  :: atomic {
      at[s] == registers1 ->
      id[s] = none; isTaken[s] = false; isAnswered[s] = false;
      at[s] = registers2
    }
  :: atomic {
      at[s] == registers2 ->
      assert(entry[s] == gone);
      entry[s] = available; isBegun[s] = true;
      isReady = isReady || (isBegun[0] && isBegun[1]);
      at[s] = idles
    }

  /* turn(): the thread waits, and runs the kernel's task work. */
  :: atomic { at[s] == idles && entry[s] == assigned -> deliver(s); at[s] = takes1 }

  /* take_request() */
  :: atomic {
      at[s] == takes1 ->
      assert(places[s] == request);
      copied[s] = request;
      at[s] = takes2
    }
  /* `taken`. A flag without a number would also have to be cleared here. */
  :: atomic { at[s] == takes2 -> isTaken[s] = true; isAnswered[s] = false; at[s] = notes }

  /* process_in(), and then Server.once() for a change */
  :: atomic {
      at[s] == notes ->
      assert(entry[s] == delivered && copied[s] == request);
      if
      :: requestOf[s] == DRAWN || !changes[requestOf[s]] -> at[s] = acts
      :: else ->
        if
        :: isResent[s] && intent[requestOf[s]] && timesDone[requestOf[s]] > 0 && !breaks(noIntent) ->
          at[s] = builds1
        :: else -> intent[requestOf[s]] = true; at[s] = acts
        fi
      fi
    }
  /* A request of client 0 takes until client 1 does not wait. So a request that waits in the queue while
   * the other thread has nothing to do is found. */
  :: atomic {
      at[s] == acts && !(requestOf[s] == 0 && waits[1]) ->
      if
      :: requestOf[s] == DRAWN || !changes[requestOf[s]]
      :: else -> timesDone[requestOf[s]]++
      fi;
      at[s] = builds1
    }

  /* put_reply() */
  :: atomic {
      at[s] == builds1 ->
      built[s] = partial;
      if
      :: requestOf[s] == DRAWN || changes[requestOf[s]]
      :: else -> places[s] = partial
      fi;
      isAnswered[s] = breaks(earlyAnswered);
      at[s] = (breaks(earlyForget) -> forgets : builds2)
    }
  :: atomic { at[s] == builds2 -> built[s] = reply; at[s] = answers }
  :: atomic {
      at[s] == answers ->
      isAnswered[s] = true; isResent[s] = false;
      at[s] = (breaks(earlyForget) -> shows1 : forgets)
    }

  /* Server.answer(): the journal forgets the request. */
  :: atomic {
      at[s] == forgets ->
      if
      :: requestOf[s] == DRAWN
      :: else -> intent[requestOf[s]] = false
      fi;
      at[s] = (breaks(earlyForget) -> builds2 : (breaks(earlyCommit) -> commits : shows1))
    }

  /* show_reply() */
  :: atomic { at[s] == shows1 -> places[s] = partial; at[s] = shows2 }
  :: atomic { at[s] == shows2 -> places[s] = built[s]; at[s] = commits }

  /* push_commit(), which turn() submits: fuse_uring_commit_fetch(). A kill takes effect after it. */
  :: atomic {
      at[s] == commits ->
      if
      :: entry[s] == delivered ->
        finish(requestOf[s], places[s]);
        entry[s] = committed; isBegun[s] = true;
        at[s] = fetches
      :: else -> at[s] = (breaks(noNewEntry) -> idles : registers1) /* ENOENT: handle() */
      fi
    }
  :: atomic {
      at[s] == fetches ->
      if
      :: nempty(queue) -> queue?requestOf[s]; deliver(s); at[s] = takes1
      :: empty(queue) -> entry[s] = available; requestOf[s] = 0; id[s] = old; at[s] = idles
      fi
    }

  /* SIGKILL */
  :: atomic {
      isKilled && at[s] != fetches && at[s] != dead ->
      cancel(s); isResent[s] = false;
      at[s] = dead
    }
  od
}

/* The main thread: go_on_with_rings(), and draw_queued() for this queue. The first server does not draw. */
proctype Main() {
  byte drawn;
end:
  do
  :: atomic {
      atMain == mainWaits && (breaks(timeLimit) || (isBegun[0] && isBegun[1])) ->
      atMain = (breaks(noDraw) -> mainIdles : mainDraws)
    }
  :: atomic { atMain == mainDraws && drawn < SLOTS -> send(DRAWN); drawn++ }
  :: atomic { atMain == mainDraws && drawn == SLOTS -> drawn = 0; atMain = mainIdles }
  :: atomic { isKilled && atMain != mainDead -> drawn = 0; atMain = mainDead }
  od
}

/* Kills the server, and starts the next one when all threads have ended. */
active proctype Supervisor() {
  byte i;
  atomic {
    for (i : 0 .. CLIENTS - 1) { run Client(i) }
    for (i : 0 .. SLOTS - 1) { run Thread(i) }
    run Main();
    i = 0
  }
  do
  :: atomic { !isKilled -> break }
  :: atomic { !isKilled -> isKilled = true }
  :: atomic {
      isKilled && at[0] == dead && at[1] == dead && atMain == mainDead ->
      isKilled = false; isBegun[0] = false; isBegun[1] = false;
      at[0] = begins; at[1] = begins; atMain = mainWaits
    }
  od
}
