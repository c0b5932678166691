"""When Hamerly's bounds are worth asking (`gate.cu`)."""

_SETTLED = 0.3  # the share of rows that changed from which on bounds are tried
_MOST_SCORED = 0.8  # the share of rows that bounds leave to be scored up to which they pay


class Bounds:
    """Decides for every iteration of a run.

    Bounds that have not paid are left alone for a while: for one iteration, and after every further trial in vain for
    twice as many as before. What an iteration came to is told later than the next one is decided.
    """

    def __init__(self):
        self.paid = False  # in the last iteration told of
        self.pause = 0  # iterations without them after the last trial
        self.resume = 0  # the number of the iteration from which they may be tried

    def pay(self, number, changed):
        """Whether iteration `number` is to use them; `changed` is the share of rows changed in the last one told."""
        return number >= self.resume and (self.paid or changed <= _SETTLED)

    def told(self, number, scored, upcoming):
        """Hear what share of the rows iteration `number` left to be scored; None: it did without bounds.

        `upcoming` is the number of the next iteration that is yet to be decided.
        """
        self.paid = scored is not None and scored <= _MOST_SCORED
        if self.paid:
            self.pause = self.resume = 0
        elif scored is not None and number >= self.resume:  # else it was decided before a trial was known to be in vain
            self.pause = max(1, 2 * self.pause)
            self.resume = upcoming + self.pause
