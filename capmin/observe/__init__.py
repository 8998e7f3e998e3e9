"""Observers: what programs in a container attempt, told by the kernel itself."""
