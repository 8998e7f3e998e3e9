"""The kinds of privilege that can be granted or not, by the kernel's own names.

A privilege is a string whose spelling tells its kind (``CAP_CHOWN``, ``accept4``), so that a
certificate, a column or a plot can hold privileges of every kind. A new kind is a module here with a
``NewType`` and its validator, and one field in `capmin.grant.Grant`.
"""

from typing import TypeAlias

from capmin.privileges.capability import Capability
from capmin.privileges.syscall import Syscall

Privilege: TypeAlias = Capability | Syscall

__all__ = ["Capability", "Privilege", "Syscall"]
