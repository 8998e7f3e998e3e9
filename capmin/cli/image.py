"""``capmin image``: the unpacked images that capmin keeps."""

import json
from datetime import UTC, datetime

import click

from capmin.cli.options import format_option
from capmin.cli.terminal import printable
from capmin.engines.places import cache_dir
from capmin.engines.rootfs import CachedImage, RootfsCache

_DAY_S = 86_400.0
_MEGABYTE = 1_000_000


@click.group("image")
def command() -> None:
    """List and remove unpacked images.

    Engines without a daemon launch from them. They are in /var/cache/capmin, for other users than root in
    their own cache directory, or where CAPMIN_CACHE_DIR says.
    """


@command.command("list")
@format_option
def list_command(*, form: str) -> None:
    """List them, the one used last first."""
    with RootfsCache(cache_dir()) as cache:
        images = cache.list()
    if form == "json":
        click.echo(_json(images))
    elif images:
        click.echo(printable(_table(images)))
    else:
        click.echo(f"no images in {cache_dir()}")


@command.command("prune")
@click.option(
    "--unused-for",
    "days",
    type=click.FloatRange(min=0),
    default=30.0,
    metavar="DAYS",
    help="Remove those not used for so long.",
    show_default=True,
)
@click.option("--gone", is_flag=True, help="Remove those whose source is gone or has changed.")
@click.option("--all", "everything", is_flag=True, help="Remove all.")
@format_option
def prune_command(*, days: float, gone: bool, everything: bool, form: str) -> None:
    """Remove images, never one that is in use."""
    unused_for_s = 0.0 if gone or everything else days * _DAY_S
    with RootfsCache(cache_dir()) as cache:
        removed = cache.prune(unused_for_s=unused_for_s, only_gone=gone and not everything)
    if form == "json":
        click.echo(_json(removed))
    else:
        megabytes = sum(image.size_bytes for image in removed) / _MEGABYTE
        click.echo(printable("\n".join(f"removed {_name(image)}" for image in removed)), nl=bool(removed))
        click.echo(f"{len(removed)} removed, {megabytes:.1f} MB freed")


def _table(images: tuple[CachedImage, ...]) -> str:
    rows = [("REFERENCE", "DIGEST", "SIZE", "LAST USED", "")]
    for image in images:
        size = f"{image.size_bytes / _MEGABYTE:.1f} MB"
        used = datetime.fromtimestamp(image.last_used_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
        state = "in use" if image.in_use else "source gone" if image.gone else ""
        names = image.references or ("-",)
        rows.append((names[0], image.digest[:19], size, used, state))
        rows += [(name, "", "", "", "") for name in names[1:]]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _name(image: CachedImage) -> str:
    return ", ".join(image.references) or image.digest


def _json(images: tuple[CachedImage, ...]) -> str:
    listed = [
        {
            "references": list(image.references),
            "digest": image.digest,
            "size_bytes": image.size_bytes,
            "last_used": datetime.fromtimestamp(image.last_used_s, UTC).isoformat(timespec="seconds"),
            "in_use": image.in_use,
            "source_gone": image.gone,
        }
        for image in images
    ]
    return json.dumps({"schema": "capmin/images/1", "images": listed}, indent=2)
