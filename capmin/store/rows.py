"""Grants, launches and attempts as rows, and back, without loss."""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress, groupby
from operator import itemgetter
from typing import Any

from capmin.grant import Grant
from capmin.privileges import Capability, Syscall
from capmin.privileges.capability import from_mask, to_mask
from capmin.trial import Answer, Attempt, End, Granted, Launch, Program

_COMPRESS_FROM = 512
"""Characters. Below this, zlib saves little, and the text stays readable for other programs."""

_from_mask = lru_cache(maxsize=1 << 12)(from_mask)
"""Campaigns hold few sets of capabilities, many times over: reading 20,000 trials takes half the time so."""

_DIGIT_TO_FLAG = bytes(range(256)).replace(b"0", b"\0")

_LAUNCH = (
    "scenario, granted_id, exit_code, service_exit_code, refused, timed_out, duration_s, output, "
    "probe_output, stalled_s, programs, spawned, ended_in, trouble, phases_s, waited_s, answers, ends, "
    "watched_id, observed, bounding, effective, seccomp_mode, no_new_privileges"
)


class GrantTable:
    """The grants on record, each once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT name, number FROM syscall")
        self._numbers: dict[str, int] = dict(rows)

    def identify(self, grant: Grant) -> int:
        """The row of a grant, made if need be."""
        content = (to_mask(grant.capabilities), self._bitmap(grant.syscalls))
        # Another process may have put it in meanwhile, so this asks the database and not a memory of ours.
        self._connection.execute(
            "INSERT OR IGNORE INTO granted (capabilities, syscalls) VALUES (?, ?)", content
        )
        row = self._connection.execute(
            "SELECT id FROM granted "
            "WHERE capabilities = ? AND ifnull(syscalls, 'default') = ifnull(?, 'default')",
            content,
        ).fetchone()
        return int(row[0])

    def _bitmap(self, names: frozenset[Syscall] | None) -> bytes | None:
        if names is None:
            return None
        bits = sum(1 << self._number(name) for name in sorted(names))
        return bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _number(self, name: Syscall) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._numbers)
            self._connection.execute(
                "INSERT INTO syscall (number, name) VALUES (?, ?)", (self._numbers[name], name)
            )
        return self._numbers[name]


def read_grants(connection: sqlite3.Connection) -> dict[int, Grant]:
    """Every grant on record, by its row."""
    rows = connection.execute("SELECT name FROM syscall ORDER BY number")
    names = [Syscall(name) for (name,) in rows]
    return {
        row: Grant(capabilities=_from_mask(mask), syscalls=_names(bitmap, names))
        for row, mask, bitmap in connection.execute("SELECT id, capabilities, syscalls FROM granted")
    }


def _names(bitmap: bytes | None, names: list[Syscall]) -> frozenset[Syscall] | None:
    """The members of a set; 100,000 sets of 100 take under a second so, several bit by bit."""
    if bitmap is None:
        return None
    digits = bin(int.from_bytes(bitmap, "little"))[:1:-1].encode()
    return frozenset(compress(names, digits.translate(_DIGIT_TO_FLAG)))


def write_launch(
    connection: sqlite3.Connection, grants: GrantTable, trial_id: int, position: int, launch: Launch
) -> int:
    """Put a launch on record, with its attempts; the row made."""
    values = (trial_id, position, *_launch_values(launch, grants))
    cursor = connection.execute(
        f"INSERT INTO launch (trial_id, position, {_LAUNCH}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - no value in it
        values,
    )
    row = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (row, index, a.privilege, a.syscall, a.program, a.errno, a.count, a.first_s, a.last_s)
            for index, a in enumerate(launch.attempts or ())
        ),
    )
    return row


def _launch_values(launch: Launch, grants: GrantTable) -> tuple[object, ...]:
    return (
        launch.scenario,
        grants.identify(launch.grant),
        launch.exit_code,
        launch.service_exit_code,
        launch.refused,
        launch.timed_out,
        launch.duration_s,
        _packed(launch.output),
        _packed(launch.probe_output),
        launch.stalled_s,
        json.dumps([(program.name, program.uid) for program in sorted(launch.programs)]),
        launch.spawned,
        launch.phase,
        launch.trouble,
        json.dumps(launch.phases_s),
        launch.waited_s,
        _packed(json.dumps([(answer.phase, answer.source, answer.text) for answer in launch.answers])),
        _packed(json.dumps([(end.program, end.code, end.denied, end.at_s) for end in launch.ends])),
        grants.identify(_only(launch.watched)) if launch.watched else None,
        launch.attempts is not None,
        *_granted_values(launch.granted),
    )


def _only(syscalls: frozenset[Syscall]) -> Grant:
    return Grant(capabilities=frozenset(), syscalls=syscalls)


def _granted_values(granted: Granted | None) -> tuple[int | None, ...]:
    if granted is None:
        return (None,) * 4
    masks = to_mask(granted.bounding), to_mask(granted.effective)
    return (*masks, granted.seccomp_mode, granted.no_new_privileges)


def read_launches(
    connection: sqlite3.Connection, campaign_id: int, grants: dict[int, Grant]
) -> dict[int, list[Launch]]:
    """The launches of a campaign in their order, by the row of their trial."""
    attempts = _read_attempts(connection, campaign_id)
    rows = connection.execute(
        f"SELECT trial_id, launch.id, {_LAUNCH.replace('granted_id', 'launch.granted_id')} "  # noqa: S608 - no value in it
        "FROM launch JOIN trial ON trial.id = trial_id WHERE campaign_id = ? ORDER BY trial_id, position",
        (campaign_id,),
    )
    launches: dict[int, list[Launch]] = {}
    for trial_id, row, *values in rows:
        launches.setdefault(trial_id, []).append(_launch(values, grants, attempts.get(row, ())))
    return launches


def _launch(values: list[Any], grants: dict[int, Grant], attempts: tuple[Attempt, ...]) -> Launch:
    (
        scenario,
        granted_id,
        exit_code,
        service_exit_code,
        refused,
        timed_out,
        duration_s,
        output,
        probe_output,
        stalled_s,
        programs,
        spawned,
        phase,
        trouble,
        phases_s,
        waited_s,
        answers,
        ends,
        watched_id,
        observed,
        *granted,
    ) = values
    return Launch(
        scenario=scenario,
        grant=grants[granted_id],
        exit_code=exit_code,
        duration_s=duration_s,
        service_exit_code=service_exit_code,
        refused=refused,
        timed_out=bool(timed_out),
        output=unpacked(output),
        probe_output=unpacked(probe_output),
        stalled_s=stalled_s,
        programs=frozenset(Program(name=name, uid=uid) for name, uid in json.loads(programs)),
        spawned=spawned,
        phase=phase,
        trouble=trouble,
        phases_s=tuple((name, took_s) for name, took_s in json.loads(phases_s)),
        waited_s=waited_s,
        answers=tuple(
            Answer(phase=name, source=source, text=text)
            for name, source, text in json.loads(unpacked(answers))
        ),
        ends=tuple(
            End(program=name, code=code, denied=tuple(map(Syscall, denied)), at_s=at_s)
            for name, code, denied, at_s in json.loads(unpacked(ends))
        ),
        watched=frozenset() if watched_id is None else grants[watched_id].syscalls or frozenset(),
        attempts=attempts if observed else None,
        granted=_granted(*granted),
    )


def _granted(
    bounding: int | None, effective: int, seccomp_mode: int, no_new_privileges: int
) -> Granted | None:
    if bounding is None:
        return None
    return Granted(
        bounding=_from_mask(bounding),
        effective=_from_mask(effective),
        seccomp_mode=seccomp_mode,
        no_new_privileges=bool(no_new_privileges),
    )


def _read_attempts(connection: sqlite3.Connection, campaign_id: int) -> dict[int, tuple[Attempt, ...]]:
    """The attempts of a campaign in their order, by the row of their launch."""
    rows = connection.execute(
        "SELECT launch_id, privilege, syscall, program, errno, count, first_s, last_s "
        "FROM attempt JOIN launch ON launch.id = launch_id JOIN trial ON trial.id = trial_id "
        "WHERE campaign_id = ? ORDER BY launch_id, attempt.position",
        (campaign_id,),
    )
    return {row: tuple(_attempts(group)) for row, group in groupby(rows, key=itemgetter(0))}


def _attempts(rows: Iterable[tuple[Any, ...]]) -> Iterator[Attempt]:
    for _, privilege, syscall, program, errno, count, first_s, last_s in rows:
        yield Attempt(
            privilege=_privilege(privilege),
            syscall=None if syscall is None else Syscall(syscall),
            program=program,
            errno=errno,
            count=count,
            first_s=first_s,
            last_s=last_s,
        )


def _privilege(name: str) -> Capability | Syscall:
    return Capability(name) if name.startswith("CAP_") else Syscall(name)


def _packed(text: str) -> str | bytes:
    if len(text) < _COMPRESS_FROM:
        return text
    return zlib.compress(text.encode())


def unpacked(value: str | bytes) -> str:
    return value if isinstance(value, str) else zlib.decompress(value).decode()
