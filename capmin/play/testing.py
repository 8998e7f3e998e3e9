"""The test of a scenario: its command and its probes, and what they are answered."""

import re
from collections.abc import Callable
from functools import partial

from capmin.engines import Container
from capmin.play.broken import Broken
from capmin.play.clock import Clock
from capmin.play.commands import namespace_of, run_test
from capmin.play.liveness import Watch
from capmin.play.requests import TEXT_LIMIT_BYTES, ask, shown
from capmin.play.stage import Stage
from capmin.scenario import ANSWERS, LOG, OUTPUT, HttpProbe, Scenario, TcpProbe
from capmin.trial import Answer

FILE_LIMIT_BYTES = 1 << 20

SETTLE_S = 0.02
"""How long a service whose test has failed is given to end: that it did says more than the test."""

ATTEMPT_LIMIT_S = 5.0
"""A request that takes longer is made again, if there is time: the connection may have been the dead one."""


class Tests:
    """Runs them, and keeps what is to be compared; ``exit_code`` and ``output`` are the command's last."""

    def __init__(self, scenario: Scenario, stage: Stage, clock: Clock, watch: Watch) -> None:
        self.exit_code: int | None = None
        self.output = ""
        self._scenario = scenario
        self._stage = stage
        self._clock = clock
        self._watch = watch
        self._answers: list[Answer] = []
        self._trouble = ""

    @property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(self._answers)

    def of_service(self, service: Container) -> None:
        """Probe: once where it was said when the service is ready, otherwise until everything passes.

        Raises:
            Broken: it does not pass, or the service has ended.
        """
        once = self._scenario.ready is not None
        for probe in self._scenario.probes:
            self._until_passed(service, partial(self._probe, service, probe), once=once)
        if self._scenario.test:
            self._until_passed(service, partial(self._command, service), once=once)
        self._compare_files(service)

    def of_program(self, container: Container) -> None:
        """The test was the container's own process, and has ended."""
        if OUTPUT in self._scenario.compared:
            self._keep(OUTPUT, container.output())
        self._compare_files(container)

    def _until_passed(self, service: Container, attempt: Callable[[], bool], *, once: bool) -> None:
        def pause(pause_s: float) -> None:
            if (end := service.wait(pause_s)) is not None:
                raise Broken(service_end=end)
            self._watch.look(service)

        def passes() -> bool:
            passed = attempt()
            if once and not passed and service.wait(SETTLE_S) is None:
                raise Broken(trouble=self._trouble) if self._trouble else Broken
            return passed

        self._trouble = ""
        try:
            self._clock.until(passes, pause)
        except Broken as broken:
            if broken.service_end is None and broken.trouble is None:
                # The end may have come with the limit.
                end = service.wait(0.0)
                raise Broken(service_end=end) from None
            raise

    def _probe(self, service: Container, probe: HttpProbe | TcpProbe) -> bool:
        namespace = namespace_of(service)
        if namespace is None:
            return False
        answered = ask(probe, namespace, max(0.05, min(ATTEMPT_LIMIT_S, self._clock.left_s())))
        self._trouble = answered.trouble or ""
        self.output = answered.trouble or answered.text
        self.exit_code = 0 if answered.trouble is None else 1
        if answered.trouble is None and ANSWERS in self._scenario.compared:
            self._keep(str(probe), answered.text)
        return answered.trouble is None

    def _command(self, service: Container) -> bool:
        ran = run_test(service, self._scenario, self._stage, self._clock)
        self.exit_code, self.output = ran.code, ran.output
        self._trouble = "" if ran.code is None else f"the test ended with exit code {ran.code}"
        if ran.code == 0 and OUTPUT in self._scenario.compared:
            self._keep(OUTPUT, ran.output)
        return ran.code == 0

    def _compare_files(self, container: Container) -> None:
        for source in self._scenario.compared:
            if source == LOG:
                self._keep(LOG, container.output())
            elif source.startswith("/"):
                content = container.read(source, FILE_LIMIT_BYTES)
                self._keep(source, "<there is no such file>" if content is None else shown(content))

    def _keep(self, source: str, text: str) -> None:
        """Keep the last of what a source said, without what may vary by the user's word."""
        for mask in self._scenario.masks:
            text = re.sub(mask, "<masked>", text, flags=re.MULTILINE)
        self._answers.append(Answer(phase=self._clock.phase, source=source, text=text[-TEXT_LIMIT_BYTES:]))
