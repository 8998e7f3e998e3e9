"""One launch of a scenario: its phases, in the containers that they take."""

import re
from contextlib import ExitStack
from dataclasses import replace

from capmin.engines import Container, Engine, Exit, LaunchSpec, Volume
from capmin.errors import UsageError
from capmin.grant import Grant
from capmin.play.broken import Broken
from capmin.play.clock import Clock
from capmin.play.companions import start_companions
from capmin.play.liveness import Watch
from capmin.play.names import asked_by_dns
from capmin.play.readiness import is_ready
from capmin.play.settings import searched_spec, volume_names
from capmin.play.stage import Stage
from capmin.play.testing import Tests
from capmin.scenario import Phase, Reload, Scenario, signal_number
from capmin.trial import COMPANIONS, Attempt, End, Granted, Launch

START = "start"

RELOAD_PAUSE_S = 0.1
"""Between the order to reload and the next test, where no line in the log tells that it is done."""


def play(engine: Engine, scenario: Scenario, stage: Stage, grant: Grant) -> Launch:
    """Launch a scenario once and observe; each phase lasts as long as `Patience` with its limit.

    Raises:
        EngineError: the engine is broken.
        UsageError: the scenario cannot be played with this image.
    """
    player = _Player(engine, scenario, stage, grant)
    with ExitStack() as stack:
        try:
            player.prepare(stack)
            player.run()
        except Broken as broken:
            player.note(broken)
        finally:
            player.let_go()
    return player.launch()


class _Player:
    def __init__(self, engine: Engine, scenario: Scenario, stage: Stage, grant: Grant) -> None:
        self._engine = engine
        self._scenario = scenario
        watched = stage.watched & engine.watchable(grant.capabilities)
        self._stage = stage = replace(stage, watched=watched)
        self._grant = grant
        self._clock = Clock(stage.limit_s, stage.phase_limits_s, stage.longest_s)
        self._watch = Watch(stage.most_processes)
        self._tests = Tests(scenario, stage, self._clock, self._watch)
        self._volumes: dict[str, Volume] = {}
        self._network: Container | None = None
        self._container: Container | None = None
        self._containers = ExitStack()
        self._container_started_s = 0.0
        self._output = ""
        self._attempts: tuple[Attempt, ...] | None = None
        self._ends: tuple[End, ...] = ()
        self._granted: Granted | None = None
        self._end: Exit | None = None
        self._broken: Broken | None = None

    def prepare(self, stack: ExitStack) -> None:
        """Make the volumes and start the companions; both end with the stack."""
        for name in volume_names(self._scenario, self._stage.image):
            self._volumes[name] = stack.enter_context(self._engine.volume())
        if self._scenario.companions:
            with self._clock.during(COMPANIONS):
                self._network = start_companions(
                    self._engine,
                    self._scenario,
                    self._stage,
                    volumes=self._volumes,
                    clock=self._clock,
                    stack=stack,
                )
                if self._network is not None:
                    names = {companion.name for companion in self._scenario.companions}
                    names |= {self._scenario.alias} - {""}
                    stack.enter_context(asked_by_dns(self._network, frozenset(names)))

    def run(self) -> None:
        """Go through the phases.

        Raises:
            Broken: one did not go as it should.
        """
        if not self._scenario.service:
            for phase in self._scenario.phases:
                with self._clock.during(phase):
                    self._run_once()
            return
        with self._clock.during(START):
            self._start()
        for phase in self._scenario.phases:
            with self._clock.during(phase):
                self._play_phase(phase)

    def note(self, broken: Broken) -> None:
        self._broken = broken

    def let_go(self) -> None:
        """End the container, with what is to be known of it noted."""
        if self._container is None:
            return
        with self._clock.apart():
            try:
                self._collect(self._container)
            finally:
                self._container = None
                self._containers.close()

    def launch(self) -> Launch:
        broken = self._broken
        service_end = None if broken is None else broken.service_end
        end = service_end or self._end
        code = self._tests.exit_code if self._end is None else self._end.code
        return Launch(
            scenario=self._scenario.name,
            grant=self._grant,
            exit_code=code,
            service_exit_code=None if service_end is None else service_end.code,
            refused=None if end is None else end.refused,
            timed_out=broken is not None and service_end is None and broken.trouble is None,
            duration_s=self._clock.elapsed_s,
            stalled_s=self._clock.stalled_s,
            output=self._output,
            probe_output=self._tests.output,
            programs=self._watch.programs,
            spawned=self._watch.spawned,
            phase=self._clock.phase,
            trouble=None if broken is None else broken.trouble,
            phases_s=self._clock.phases_s,
            waited_s=self._clock.waited_s,
            answers=self._tests.answers,
            attempts=self._attempts,
            ends=self._ends,
            watched=self._stage.watched,
            granted=self._granted,
        )

    def _play_phase(self, phase: Phase) -> None:
        match phase:
            case Phase.TEST:
                self._tests.of_service(self._running)
                self._settle()
            case Phase.RELOAD:
                self._reload(self._scenario.reload or Reload(signal="SIGHUP"))
            case Phase.RESTART:
                self._stop()
                self._start()
            case Phase.STOP:
                self._stop()

    def _run_once(self) -> None:
        """The test as the container's own process."""
        container = self._launched(argv=self._scenario.test)
        self._end = self._clock.end_of(container)
        if self._end is None:
            raise Broken
        self._tests.of_program(container)
        self.let_go()
        if self._end.code != 0:
            # The exit code says all; but what was to follow is not to be played.
            raise Broken(trouble=f"the test ended with exit code {self._end.code}")

    def _start(self) -> None:
        container = self._launched()
        ready = self._scenario.ready
        if ready is not None:
            self._clock.until(lambda: is_ready(container, ready, self._stage.image, self._clock), self._pause)

    def _launched(self, argv: tuple[str, ...] | None = None) -> Container:
        spec: LaunchSpec = searched_spec(
            self._scenario, self._stage, self._volumes, argv=argv, network=self._network
        )
        self._container_started_s = self._clock.elapsed_s
        start = self._engine.start(spec, self._grant)
        self._container = self._containers.enter_context(self._clock.pressure.launched(start))
        return self._container

    @property
    def _running(self) -> Container:
        if self._container is None:
            raise UsageError(
                f"scenario {self._scenario.name}: nothing runs any more in phase {self._clock.phase}"
            )
        return self._container

    def _pause(self, pause_s: float) -> None:
        """Pass time while the service runs as it should."""
        container = self._running
        if (end := container.wait(pause_s)) is not None:
            raise Broken(service_end=end)
        self._watch.look(container)

    def _settle(self) -> None:
        """See what is left running after a test that has passed."""
        if (end := self._clock.settle(self._running)) is not None:
            raise Broken(service_end=end)
        self._watch.take(self._running)

    def _reload(self, reload: Reload) -> None:
        container = self._running
        before = _count(reload.log, container)
        if reload.command:
            done = container.execute(reload.command, self._clock.left_s())
            if done.code is None:
                raise Broken
            if done.code != 0:
                words = f"{done.code}: {done.output[-200:].strip()}"
                raise Broken(trouble=f"the reload command ended with exit code {words}")
        else:
            container.signal(signal_number(reload.signal or "SIGHUP"))
        if reload.log is None:
            self._pause(RELOAD_PAUSE_S)
        else:
            self._clock.until(lambda: _count(reload.log, container) > before, self._pause)

    def _stop(self) -> None:
        stop, container = self._scenario.stop, self._running
        number = signal_number(stop.signal or self._stage.image.stop_signal)
        sent_s = self._clock.elapsed_s
        container.signal(number)
        end = self._clock.end_of(container, most_s=stop.limit_s)
        if end is None:
            # The phase's own limit, from the baseline, is mostly the shorter one.
            waited_s = self._clock.elapsed_s - sent_s
            raise Broken(trouble=f"it did not stop within {waited_s:.1f} s of signal {number}")
        if end.code not in (stop.exit_codes or (0, 128 + number)):
            raise Broken(trouble=f"it ended with exit code {end.code} when it was stopped")
        self.let_go()

    def _collect(self, container: Container) -> None:
        self._output += container.output()
        attempts, granted = container.attempts(), container.granted()
        # Those of a later container happened later, whatever its own clock says.
        shift_s = self._container_started_s if self._attempts else 0.0
        if attempts is not None:
            later = tuple(_later(attempt, shift_s) for attempt in attempts)
            self._attempts = (self._attempts or ()) + later
        self._ends += tuple(replace(end, at_s=end.at_s + shift_s) for end in container.ends())
        if self._granted is None or self._granted.bounding == self._grant.capabilities:
            self._granted = granted or self._granted


def _count(pattern: str | None, container: Container) -> int:
    """How often a line was logged so far."""
    return 0 if pattern is None else len(re.findall(pattern, container.output(), re.MULTILINE))


def _later(attempt: Attempt, by_s: float) -> Attempt:
    return replace(attempt, first_s=attempt.first_s + by_s, last_s=attempt.last_s + by_s)
