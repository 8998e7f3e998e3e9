"""One search from opening the engine to the files on disk: whatever happens, what was found is written."""

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
from capmin.errors import CapminError
from capmin.findings import Findings, result_of
from capmin.output import OutputDirectory
from capmin.profile import Profile
from capmin.result import Result
from capmin.store import CampaignIdentity, Store, scenario_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What `search` needs besides the plan."""

    plan: Plan
    directory: OutputDirectory
    engine_name: str
    resume: bool
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
            # The engine is left first: it kills what runs, so that no thread of the executor waits for it.
            executor = stack.enter_context(ThreadPoolExecutor(self.plan.workers))
            engine = stack.enter_context(open_engine(self.engine_name, options))
            store = stack.enter_context(Store(self.directory.store))
            record = store.campaign(self._identity(engine), scenarios=self.plan.scenarios, resume=self.resume)
            campaign = Campaign(
                engine=engine, plan=self.plan, recorder=record, executor=executor, watcher=self.watcher
            )
            confirmer = open_confirming_engine(engine, options)
            confirmer = engine if confirmer is None else stack.enter_context(confirmer)
            try:
                campaign.run()
                self._write(campaign, campaign.findings, engine, None)
                emitted = self.directory.read_filter() if self.plan.syscalls else None
                campaign.confirm(confirmer, emitted)
                return self._write(campaign, campaign.findings, engine, confirmer)
            except (KeyboardInterrupt, CapminError):
                campaign.stop()
                if campaign.has_findings:
                    self._write(campaign, campaign.findings, engine, None)
                raise

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

    def _write(
        self, campaign: Campaign, findings: Findings, engine: Engine, confirmer: Engine | None
    ) -> Result:
        result = result_of(
            findings,
            image=campaign.image,
            engine=engine,
            confirm_engine=confirmer,
            denied_errno=self.plan.denied_errno,
            confidence=self.plan.confidence,
            wall_s=time.monotonic() - self.started,
            files=self.directory.files(syscalls=findings.grant.syscalls is not None),
            created=datetime.now(UTC),
        )
        self.directory.write_profile(Profile.from_result(result.to_json()))
        self.directory.write_result(result, findings)
        return result
