"""Documents as YAML, the way people write them."""

import io
import sys
from typing import Any

from ruamel.yaml import YAML


def dump(document: Any) -> str:  # noqa: ANN401 - whatever YAML can hold
    """The document in block style, keys in their own order."""
    writer = YAML()
    writer.width = sys.maxsize  # a long string that is folded can be read back with a space more (0.19.1)
    writer.allow_unicode = False  # else U+0085 is written as it is, and read back as a space (0.19.1)
    writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()
