"""What the threads of a team do (`teams`), and the memory by which they do it.

A region is the tasks of one call of a kernel. Its *shares* are words: odd while a share is open. Whoever makes such a
word even has the share, and that is possible only while the region is not over: so what was read of the region before
is right. The leader of the region opens its shares, takes its own and what nobody has taken, and waits for the others.

A share that somebody has begun may have to be waited for as long as the system lets others have that core. So the
leader keeps account of what the members save and cost (`balanced`). Where they cost more it does without them for a
while, each time for twice as long, until they pay again.
"""

import numpy as np

from .atomics import add, call, load, pause, replace, store
from .functions import inner

# The memory of a team, in bytes: words of 8, two cache lines between those that different threads write.
LINE = 128
LEAD = 0  # the address of `lead`
SIZE = 8  # members, the leader among them
PATIENCE = 16  # turns of the loop in which a member waits before it sleeps
QUIT = 24  # 1 when the members are to end
ACQUIRE, RELEASE, YIELD = 32, 40, 48  # functions of Python and of the system
CLOCK, WALL, CPU, SECOND = 56, 64, 72, 80  # a function, its two clocks, nanoseconds in the larger unit of what it tells
BUSY = LINE  # 1 while there is a leader, who writes the words that follow
ACCOUNT, REST, ALONE_UNTIL, _LAST = LINE + 8, LINE + 16, LINE + 24, LINE + 32  # nanoseconds: see `balanced` and `lead`
_ALONE_WALL, _ALONE_CPU = LINE + 40, LINE + 48  # time of regions without members, and of the processor in them
_REGIONS = LINE + 56  # so far
_OWN_WALL, _OWN_CPU = LINE + 64, LINE + 72  # as those of regions without members, of what the leader did itself
_FUNCTION, _FRAME, _TASKS, SHARES, _TIMED = (2 * LINE + at for at in (0, 8, 16, 24, 32))  # of the region
_DONE, _WORKED = 3 * LINE, 3 * LINE + 8  # shares of the region, and the processor's time for them
MEMBERS = 4 * LINE  # the first member; and of each:
_SHARE, ASLEEP, LOCK, _TIME = 0, LINE, LINE + 8, LINE + 16
OF_A_MEMBER = 2 * LINE

# Turns: about a millisecond, the longest that one thread works between two regions of seeding; and a hundredth.
LONG_PATIENCE, _SHORT_PATIENCE = 50_000, 500
_TURNS = 1_000  # that the leader waits for the last shares before it lets other threads have the core

# Nanoseconds.
_CREDIT = 2_000_000  # what members have saved counts up to so much
_DEBT = 2_000_000  # what they cost is borne up to so much: a pause of the system now and then is no reason
LEAST_REST, _MOST_REST = 8_000_000, 1_000_000_000
_OF_A_LOSS = 8  # whatever the most, a rest is at least so many times as long as what was lost
_SHORT = 200_000  # a region in which readings of the processor's clock are felt: while all is well,
_EVERY = 8  # one of so many is timed
_FORGET = 10_000_000  # of the leader's own time: older than that counts half


@inner
def _of(team, member):
    """The memory of a member."""
    return team + MEMBERS + member * OF_A_MEMBER


@inner
def _wake(team, member):
    """Wake the two that this one is to wake: so all are awake in as many turns as the logarithm of their number."""
    for other in range(2 * member + 1, min(2 * member + 3, load(team + SHARES))):
        of_other = _of(team, other)
        if load(of_other + ASLEEP) == 1 and replace(of_other + ASLEEP, 1, 0):
            call(load(team + RELEASE), load(of_other + LOCK), 0)


@inner
def _clock(team, member, clock):
    """Nanoseconds."""
    at = _of(team, member) + _TIME
    which = load(team + clock)
    call(load(team + CLOCK), at if which < 0 else which, at)
    return load(at) * load(team + SECOND) + load(at + 8)


@inner
def _take(team, member):
    """Do all shares that are open, one's own first. The processor's time for them, if the region is timed."""
    size, worked = load(team + SIZE), 0
    for step in range(size):
        share = (member + step) % size
        state = _of(team, share) + _SHARE
        word = load(state)
        if word & 1 == 0:
            continue
        function, frame = load(team + _FUNCTION), load(team + _FRAME)
        tasks, shares, timed = load(team + _TASKS), load(team + SHARES), load(team + _TIMED)
        if replace(state, word, word + 1):
            start = _clock(team, member, CPU) if timed else 0
            for task in range(share, tasks, shares):
                call(function, frame, task)
            if timed:
                spent = _clock(team, member, CPU) - start
                add(team + _WORKED, spent)
                worked += spent
            add(team + _DONE, 1)
    return worked


@inner
def saving(worked, taken, alone_wall, alone_cpu):
    """Nanoseconds that the members saved in a region that took so many, its shares `worked` of the processor.

    Alone the leader would have taken longer than `worked` too where others have its core: as it did when last alone.
    """
    return np.int64(worked * max(1.0, alone_wall / max(alone_cpu, 1))) - taken


@inner
def balanced(account, rest, saved):
    """The new account, the new length of a rest, and whether it begins now.

    Gains beyond a limit are forgotten: old ones say nothing of today.
    """
    account += saved
    if account >= _CREDIT:
        return _CREDIT, LEAST_REST // 2, False
    if account >= -_DEBT:
        return account, rest, False
    return 0, max(min(2 * rest, _MOST_REST), -_OF_A_LOSS * account), True


@inner
def _judge(team, begin, end):
    """Keep account of a region that was timed."""
    taken, worked = end - begin, load(team + _WORKED)
    wall, cpu = load(team + _ALONE_WALL), load(team + _ALONE_CPU)
    if load(team + SHARES) == 1:
        store(team + _ALONE_WALL, wall + taken)
        store(team + _ALONE_CPU, cpu + worked)
        return
    account, rest, now = balanced(
        load(team + ACCOUNT), load(team + REST), saving(worked, taken, np.float64(wall), np.float64(cpu))
    )
    store(team + ACCOUNT, account)
    store(team + REST, rest)
    if now:
        store(team + ALONE_UNTIL, end + rest)
        store(team + _ALONE_WALL, 0)
        store(team + _ALONE_CPU, 0)
    else:  # what is known of being alone fades
        store(team + _ALONE_WALL, wall + worked // _EVERY)
        store(team + _ALONE_CPU, cpu + worked // _EVERY)


@inner
def _note_contention(team, wall, cpu):
    """Let members wait in loops only where the leader has its core: elsewhere they take time that it needs."""
    wall, cpu = load(team + _OWN_WALL) + wall, load(team + _OWN_CPU) + cpu
    contended = 4 * wall > 5 * cpu
    store(team + PATIENCE, _SHORT_PATIENCE if contended else LONG_PATIENCE)
    if wall > _FORGET:
        wall, cpu = wall // 2, cpu // 2
    store(team + _OWN_WALL, wall)
    store(team + _OWN_CPU, cpu)


def lead(function, frame, tasks, team):
    """Run ``function(frame, task)`` for every task, as the team's leader if it has none."""
    if not replace(team + BUSY, 0, 1):
        for task in range(tasks):
            call(function, frame, task)
        return
    begin = _clock(team, 0, WALL)
    shares = 1 if begin < load(team + ALONE_UNTIL) else min(tasks, load(team + SIZE))
    regions = load(team + _REGIONS) + 1
    well = shares > 1 and load(team + ACCOUNT) == _CREDIT and load(team + _LAST) < _SHORT
    timed = not well or regions % _EVERY == 0
    store(team + _FUNCTION, function)
    store(team + _FRAME, frame)
    store(team + _TASKS, tasks)
    store(team + SHARES, shares)
    store(team + _TIMED, 1 if timed else 0)
    store(team + _REGIONS, regions)
    store(team + _WORKED, 0)
    store(team + _DONE, 0)
    for share in range(shares):
        add(_of(team, share) + _SHARE, 1)
    _wake(team, 0)
    start = _clock(team, 0, WALL) if timed else 0
    worked = _take(team, 0)
    if timed:
        _note_contention(team, _clock(team, 0, WALL) - start, worked)
    turns = 0
    while load(team + _DONE) < shares:
        turns += 1
        if turns < _TURNS:
            pause()
        else:
            call(load(team + YIELD), 0, 0)
    end = _clock(team, 0, WALL)
    store(team + _LAST, end - begin)
    if timed:
        _judge(team, begin, end)
    store(team + BUSY, 0)


def serve(team, member):
    """What a member does until it is to end."""
    me = _of(team, member)
    while True:
        turns = 0
        while load(me + _SHARE) & 1 == 0:
            if turns >= load(team + PATIENCE):
                if load(team + QUIT) == 1:
                    return
                store(me + ASLEEP, 1)
                call(load(team + ACQUIRE), load(me + LOCK), 1)
                turns = 0
            pause()
            turns += 1
        _wake(team, member)
        _take(team, member)
