"""How many frames of a stream are taken: fewer where parts are lost again and again, and more once it is calm."""

from __future__ import annotations

import math

from dataset.sampling import ROUNDING

MOST_EVERY = 5
"""Of so many slots one gets a frame of its own at least; fewer show no movement."""
AGAIN_SECONDS = 30.0
"""A machine that lost a part of the stream and loses another within so many seconds is too slow for all frames."""
CALM_SECONDS = 60.0
"""Seconds without a loss after which more frames are tried: the machine may have been busy with something else."""
TRIAL_SECONDS = 300.0
"""A try has failed if a part is lost within so many seconds: who is hardly too slow falls behind slowly."""
LONGEST_CALM = 3600.0
"""The seconds before a try double with each one that failed, up to this."""
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}


class Thinning:
    """Decides which share of the slots gets a frame of its own. All times are seconds of the stream.

    Args:
        rate: the slots a second.
        every: every n-th slot gets one at first; it never becomes less, since it was chosen for this machine.
        helps: whether fewer frames save time.

    Attributes:
        every: the same, as it is now.
    """

    def __init__(self, rate: float, every: int, helps: bool) -> None:
        self.every = every
        self._rate = rate
        self._least = every
        self._helps = helps
        self._wait = CALM_SECONDS
        self._lost_until = self._tried = -math.inf
        self._calm_since = 0.0

    def lose(self, begin: float, end: float) -> str:
        """Take in that a part of the stream was not read; once is no reason to take fewer frames, unless in a try.

        Returns:
            what to tell the user of it; "" if as many frames are taken as before.
        """
        again = ROUNDING < begin - self._lost_until < AGAIN_SECONDS
        failed = begin - self._tried < TRIAL_SECONDS
        self._lost_until = self._calm_since = max(end, self._lost_until)
        if not self._helps or self.every >= MOST_EVERY or not (again or failed):
            return ""
        self._wait = min(2 * self._wait, LONGEST_CALM) if failed else CALM_SECONDS
        self._tried = -math.inf
        self.every += 1
        return f"this machine reads {self._rate / self.every:.3g} frames a second: {self._describe()}"

    def keep_up(self, now: float) -> str:
        """Take in that all was read until now; returns what to tell the user as `lose` does."""
        if self.every == self._least or now - self._calm_since < self._wait:
            return ""
        calm = now - self._calm_since
        self._tried = self._calm_since = now
        self.every -= 1
        return f"nothing was lost for {calm:.0f} s: {self._describe()} again"

    def _describe(self) -> str:
        return "every frame is taken" if self.every == 1 else f"every {ORDINALS[self.every]} frame is taken"
