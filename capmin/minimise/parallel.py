"""Generalised binary splitting by several workers."""

from capmin.minimise.gbs import gbs
from capmin.minimise.inquiry import Inquiry
from capmin.minimise.outcome import E


def parallel(inquiry: Inquiry[E]) -> frozenset[E]:
    return gbs(inquiry)
