"""Documents as YAML, the way people write them."""

import io
from typing import Any

from ruamel.yaml import YAML

_WIDTH = 110


def dump(document: Any) -> str:  # noqa: ANN401 - whatever YAML can hold
    """The document in block style, keys in their own order."""
    writer = YAML()
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    writer.dump(document, text)
    return text.getvalue()
