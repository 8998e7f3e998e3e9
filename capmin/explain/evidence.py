"""The records of one campaign, as an explanation asks for them."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from capmin.evidence import choose_line, usual_lines
from capmin.privileges import Capability
from capmin.privileges.capability import DOCKER_DEFAULT
from capmin.privileges.syscall import Syscall, table
from capmin.records import Records
from capmin.seccomp import docker_default


class Evidence:
    """Frames of one campaign with the questions that are put to them."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.result: Mapping[str, Any] = next(iter(records.results.values()))

    @property
    def required(self) -> frozenset[str]:
        """Everything kept, above the floor; what was not searched is neither kept nor dropped."""
        kinds = (self.result["capabilities"], self.result["syscalls"])
        return frozenset(name for kind in kinds if kind is not None for name in kind["required"])

    @property
    def degraded(self) -> frozenset[str]:
        kinds = (self.result["capabilities"], self.result["syscalls"])
        return frozenset(name for kind in kinds if kind is not None for name in kind["degraded"])

    @property
    def floor(self) -> frozenset[str]:
        return frozenset() if self.result["syscalls"] is None else frozenset(self.result["syscalls"]["floor"])

    @property
    def alternatives(self) -> tuple[frozenset[Capability], ...]:
        answer = self.result["capabilities"] or {}
        return tuple(frozenset(map(Capability, names)) for names in answer.get("alternatives", ()))

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """The capabilities that the search had to decide on: those that any trial had."""
        texts = self.records.trials["capabilities"].unique()
        granted = frozenset(name for text in texts for name in text.split())
        return (granted or DOCKER_DEFAULT) | self.required_capabilities

    @property
    def required_capabilities(self) -> frozenset[str]:
        return frozenset((self.result["capabilities"] or {}).get("required", ()))

    @cached_property
    def syscalls(self) -> frozenset[str]:
        """The system calls that the search had to decide on: what Docker's filter allows under the answer."""
        if self.result["syscalls"] is None:
            return frozenset()
        capabilities = frozenset(map(Capability, self.required_capabilities))
        architecture = self.result["host"]["architecture"]
        # Docker's profile names the calls of all architectures.
        allowed = docker_default(capabilities, architecture).allowed & table(architecture).keys()
        return (allowed | self.required) - self.floor - self.capabilities

    @cached_property
    def passed(self) -> pd.DataFrame:
        """The trials that are answers: they work, and not badly."""
        trials = self.records.trials
        return trials[(trials["verdict"] == "works") & ~trials["degraded"].fillna(value=False)]

    @property
    def saw_capabilities(self) -> bool:
        """Whether anything watched the checks of capabilities."""
        return bool((self.records.attempts["kind"] == "capability").any())

    @property
    def saw_syscalls(self) -> bool:
        return bool((self.records.attempts["kind"] == "syscall").any())

    @cached_property
    def _usual(self) -> frozenset[str]:
        launches = self.records.launches
        passed = launches["trial"].isin(self.passed["trial"])
        outputs = [launches.loc[passed, name] for name in ("output", "probe_output")]
        return usual_lines(pd.concat(outputs).unique())

    def trial(self, number: int) -> pd.Series | None:
        found = self.records.trials[self.records.trials["trial"] == number]
        return found.iloc[0] if len(found) else None

    def last_launch(self, number: int) -> pd.Series | None:
        """The launch that decided a trial which broke."""
        found = self.records.launches[self.records.launches["trial"] == number]
        return found.iloc[-1] if len(found) else None

    def telling_launch(self, number: int, privilege: str) -> pd.Series | None:
        """The launch that decided a trial: where it passed, badly, the one with most denials of this."""
        launches = self.records.launches[self.records.launches["trial"] == number]
        trial, denials = self.trial(number), self.denials(number, privilege)
        if trial is None or trial["verdict"] != "works" or not len(denials):
            return self.last_launch(number)
        worst = denials.groupby("launch")["count"].sum().idxmax()
        return launches[launches["launch"] == worst].iloc[-1]

    def denial(self, number: int, privilege: str) -> pd.Series | None:
        """The last denial of a privilege in the launch that decided a trial, or else in any of its launches.

        What broke in one scenario may have been denied in another, which passed.
        """
        found, launch = self.denials(number, privilege), self.telling_launch(number, privilege)
        if launch is not None and (found["launch"] == launch["launch"]).any():
            found = found[found["launch"] == launch["launch"]]
        return found.sort_values(["launch", "last_s"]).iloc[-1] if len(found) else None

    def denials(self, number: int, privilege: str) -> pd.DataFrame:
        """The denials of a privilege in all launches of a trial."""
        attempts = self.records.attempts[self.records.attempts["trial"] == number]
        return attempts[(attempts["privilege"] == privilege) & attempts["errno"].notna()]

    def said(self, launch: pd.Series, call: Syscall | None) -> str:
        """The program's line that tells best, the runtime's words where it never started."""
        if pd.notna(launch["refused"]):
            return str(launch["refused"])
        return choose_line((launch["output"], launch["probe_output"]), call=call, usual=self._usual)

    def unknown(self) -> Iterator[str]:
        """What these records cannot tell."""
        if not self.records.has_launches:
            yield (
                "The launches are not on record (no trials.sqlite beside the result): which program did what "
                "is not known."
            )
            return
        if self.result["capabilities"] is not None and not self.saw_capabilities:
            yield (
                "Nothing watched the checks of capabilities: in which system call they were asked for, and "
                "by which program, is not known. The kernel's tracepoint is there since Linux 6.14; capmin "
                "doctor tells."
            )
        if self.result["syscalls"] is not None and not self.saw_syscalls:
            yield (
                "Nothing watched system calls: which program asked for them is not known, nor which were "
                "never used. runc and Docker from 23 on can tell; capmin doctor says what this host can."
            )
