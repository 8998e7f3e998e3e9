"""What is kept of the output.

- Both streams, and nothing lost at the end of a program that writes and ends at once.
- The last part only, of however much, in bounded memory.
- What is no UTF-8 is replaced.
"""

import resource

from capmin.engines import OUTPUT_LIMIT_BYTES
from tests.contract.conftest import USUAL, Bench


def test_both_streams_to_the_end(bench: Bench) -> None:
    text = bench.run("sh", "-c", "echo out; echo err >&2; exit 3").output
    assert sorted(text.splitlines()) == ["err", "out"]


def test_the_last_part_is_kept(bench: Bench) -> None:
    length = 3 * OUTPUT_LIMIT_BYTES
    text = bench.output("perl", "-e", f"print 'a' x {length}, 'the end'")
    assert len(text) == OUTPUT_LIMIT_BYTES
    assert text.endswith("aaathe end")


def test_endless_output_takes_no_memory(bench: Bench) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with bench.engine.start(bench.spec("yes"), USUAL) as container:
        assert container.wait(1.0) is None
        assert container.output().startswith("y\n")
        assert len(container.output()) <= OUTPUT_LIMIT_BYTES
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024


def test_invalid_utf8_is_replaced(bench: Bench) -> None:
    assert bench.output("perl", "-e", r'print "a\xff\xc3b\xe2\x82\xac"') == "a��b€"
