"""One search from opening the engine to the files on disk: whatever happens, what was found is written."""

import logging
import platform
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capmin import __version__
from capmin.campaign import Campaign, Plan, Watcher, ceiling_of
from capmin.engines import Engine, EngineOptions
from capmin.engines.places import cache_dir, state_dir
from capmin.engines.registry import open_confirming_engine, open_engine
from capmin.errors import BaselineError, BudgetSpent, CapminError
from capmin.findings import result_of
from capmin.output import OutputDirectory
from capmin.profile import Profile
from capmin.recall import Document
from capmin.result import Result
from capmin.store import Campaign as Record
from capmin.store import CampaignIdentity, Status, Store, scenario_hash

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What `search` needs besides the plan."""

    plan: Plan
    directory: OutputDirectory
    engine_name: str
    resume: bool
    fresh: bool
    before: Document | None
    watcher: Watcher
    started: float = field(default_factory=time.monotonic)

    def run(self) -> Result:
        """Search, write the profile, confirm it as written, and write the result.

        Raises:
            CapminError: the campaign stopped early; the best so far is on disk.
            KeyboardInterrupt: the same, on the user's wish.
        """
        options = EngineOptions(campaign=uuid.uuid4().hex[:12], state_dir=state_dir(), cache_dir=cache_dir())
        with ExitStack() as stack:
            # Happens last, unless there is something worth keeping.
            undo = stack.enter_context(ExitStack())
            undo.callback(self.directory.take_back)
            # The engine is left first: it kills what runs, so that no thread of the executor waits for it.
            executor = stack.enter_context(ThreadPoolExecutor(self.plan.workers))
            engine = stack.enter_context(open_engine(self.engine_name, options))
            store = stack.enter_context(Store(self.directory.store))
            record = self._record(store, engine)
            campaign = Campaign(
                engine=engine,
                plan=self.plan,
                recorder=record,
                executor=executor,
                watcher=self.watcher,
                before=self._before(store, record),
            )
            confirmer = open_confirming_engine(engine, options) if self.plan.confirm else None
            confirmer = engine if confirmer is None else stack.enter_context(confirmer)
            self.directory.load()
            try:
                result = self._search(campaign, engine, confirmer)
            except (KeyboardInterrupt, CapminError) as error:
                campaign.stop()
                record.finish(_status_of(error))
                if record.trials() and not isinstance(error, BaselineError):
                    undo.pop_all()
                    self._stop_early(campaign, engine, confirmer)
                raise
            undo.pop_all()
            record.certify(result.certificate)
            record.finish(Status.DONE if campaign.findings.holds else Status.UNCONFIRMED, result.to_json())
            self.directory.write_report(result, campaign.findings)
            return result

    def _search(self, campaign: Campaign, engine: Engine, confirmer: Engine) -> Result:
        campaign.run()
        while True:
            self._write(campaign, engine, confirmer)
            emitted = self.directory.read_filter() if self.plan.syscalls else None
            campaign.confirm(confirmer, emitted)
            if not campaign.search_on():
                return self._write(campaign, engine, confirmer)

    def _stop_early(self, campaign: Campaign, engine: Engine, confirmer: Engine) -> None:
        if campaign.has_findings:
            result = self._write(campaign, engine, confirmer)
            self.directory.write_report(result, campaign.findings)
            _log.warning("the best so far is in %s; --resume goes on from there", self.directory.path)

    def _record(self, store: Store, engine: Engine) -> Record:
        record = store.campaign(self._identity(engine), scenarios=self.plan.scenarios, resume=self.resume)
        if self.resume and not record.trials():
            _log.warning("nothing to resume in %s: searching from the start", self.directory.path)
        return record

    def _before(self, store: Store, record: Record) -> Document | None:
        """What to start from: the result named, else the last of the same subject in the store."""
        if self.before is not None or self.fresh:
            return self.before
        results = [campaign.result for campaign in store.campaigns() if campaign.precedes(record)]
        return next((result for result in reversed(results) if result is not None), None)

    def _identity(self, engine: Engine) -> CampaignIdentity:
        image = engine.image(self.plan.image)
        return CampaignIdentity(
            image_reference=image.reference,
            image_digest=image.digest,
            scenario_hash=scenario_hash(self.plan.scenarios),
            engine=engine.name,
            engine_version=engine.version,
            kernel=platform.release(),
            architecture=engine.architecture,
            denied_errno=self.plan.denied_errno,
            ceiling=ceiling_of(self.plan, engine),
            capmin_version=__version__,
        )

    def _write(self, campaign: Campaign, engine: Engine, confirmer: Engine) -> Result:
        findings = campaign.findings
        result = result_of(
            findings,
            image=campaign.image,
            scenarios=self.plan.scenarios,
            engine=engine,
            confirm_engine=confirmer if findings.confirmations else None,
            denied_errno=self.plan.denied_errno,
            confidence=self.plan.confidence,
            wall_s=time.monotonic() - self.started,
            files=self.directory.files(syscalls=findings.grant.syscalls is not None),
            created=datetime.now(UTC),
        )
        self.directory.write_profile(Profile.from_result(result.to_json()))
        self.directory.write_result(result, findings)
        return result


def _status_of(error: BaseException) -> Status:
    """How a campaign that stopped early is recorded: all but one that never passed can go on."""
    if isinstance(error, BaselineError):
        return Status.FAILED
    return Status.BUDGET_SPENT if isinstance(error, BudgetSpent) else Status.INTERRUPTED
