"""Work by the clock. A filter that does some imports ``weir.tick`` and derives from :class:`Tick` too."""


class Tick:
    """``class Mine(weir.Filter, weir.tick.Tick)``. There is no exchange here: what needs one cannot be used."""

    def interval(self) -> int:
        """Milliseconds from one tick to the next, at least 100. Asked once."""
        return 1000

    def tick(self) -> None:
        """The time has come, in each instance that a worker keeps. What was missed is not made up for."""
