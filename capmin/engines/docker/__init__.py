"""The docker engine: any Docker daemon that answers, local or remote; Podman's socket as far as it goes."""

from capmin.engines.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
