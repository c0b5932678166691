"""When Hamerly's bounds are worth asking (`hamerly.cu`)."""


class BoundsPolicy:
    """Decides for every iteration of a run.

    Bounds that have not paid are left alone for a while: for one iteration, and after every further trial in vain for
    twice as many as before. What an iteration came to is known only after the next one has been decided.

    `pays` is what they are worth beside the way that an iteration scores in: the share of rows that changed down to
    which they are not tried, and the share that they leave to be scored up to which they pay.
    """

    def __init__(self):
        self.paid = False  # in the last iteration that is known
        self.pause = 0  # iterations without them after the last trial
        self.resume = 0  # the number of the iteration from which they may be tried

    def decide(self, number, changed, pays):
        """Whether iteration `number` uses them.

        `changed` is the share of rows that changed in the last iteration that is known.
        """
        return number >= self.resume and (self.paid or changed <= pays[0])

    def learn(self, number, scored, upcoming, pays):
        """Take note of what iteration `number` came to.

        `scored` is the share of rows that bounds left to be scored; None: it went without bounds. `upcoming` is the
        number of the next iteration that is yet to be decided.
        """
        self.paid = scored is not None and scored <= pays[1]
        if self.paid:
            self.pause = self.resume = 0
        elif scored is not None and number >= self.resume:  # else it was decided before a trial was known to be in vain
            self.pause = max(1, 2 * self.pause)
            self.resume = upcoming + self.pause
