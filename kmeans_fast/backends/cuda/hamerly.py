"""When Hamerly's bounds are worth asking (`hamerly.cu`)."""


class BoundsPolicy:
    """Decides for every iteration of a run.

    Bounds that have not paid are left alone for a while: for one iteration, and after every further trial in vain for
    twice as many as before. What an iteration came to is known only after the next one has been decided.

    Parameters
    ----------
    settled : float
        The share of rows that changed down to which bounds are not tried.
    most_scored : float
        The share of rows that bounds leave to be scored up to which they pay.
    """

    def __init__(self, settled=0.3, most_scored=0.8):
        self.settled, self.most_scored = settled, most_scored
        self.paid = False  # in the last iteration that is known
        self.pause = 0  # iterations without them after the last trial
        self.resume = 0  # the number of the iteration from which they may be tried

    def decide(self, number, changed):
        """Whether iteration `number` uses them.

        `changed` is the share of rows that changed in the last iteration that is known.
        """
        return number >= self.resume and (self.paid or changed <= self.settled)

    def learn(self, number, scored, upcoming):
        """Take note of what iteration `number` came to.

        `scored` is the share of rows that bounds left to be scored; None: it went without bounds. `upcoming` is the
        number of the next iteration that is yet to be decided.
        """
        self.paid = scored is not None and scored <= self.most_scored
        if self.paid:
            self.pause = self.resume = 0
        elif scored is not None and number >= self.resume:  # else it was decided before a trial was known to be in vain
            self.pause = max(1, 2 * self.pause)
            self.resume = upcoming + self.pause
