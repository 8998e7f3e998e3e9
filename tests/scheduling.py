"""How tests are handed to the processes of pytest-xdist.

One at a time to whoever is free, in the order of collection, in which the long ones come first. Files that
share what takes long to make, or that look at what else is in a daemon, stay in one process. xdist's own
``loadgroup`` would do, but for the names of tests that it changes, which pytest 9 does not let it.
"""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

TOGETHER = (
    ("test_nginx.py", "test_warm_start.py", "test_explain_nginx.py"),  # one search of nginx
    ("test_stack.py",),  # images loaded into the daemon
    ("test_report_browser.py",),  # a browser
    ("test_docker_engine.py",),  # count what is in the daemon
    ("test_containerfile.py",),  # one name in the daemon's list of images
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # nor has its base
    """Hands out the files above whole, and all other tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return next((files[0] for files in TOGETHER if file in files), nodeid)
