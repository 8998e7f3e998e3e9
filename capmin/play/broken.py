"""How a phase ends before its time."""

from capmin.engines import Exit


class Broken(Exception):
    """A phase did not go as it should, and the launch is over; nothing is judged by this.

    ``service_end`` is that of a service which should have gone on, ``trouble`` what else went wrong, in
    words. With neither, time ran out.
    """

    def __init__(self, *, service_end: Exit | None = None, trouble: str | None = None) -> None:
        super().__init__(trouble or "")
        self.service_end = service_end
        self.trouble = trouble
