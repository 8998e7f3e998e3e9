"""Options that several commands have, told and parsed alike."""

import click

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What stdout gets.",
    show_default=True,
)

time_limit_option = click.option(
    "--time-limit",
    "time_limit_s",
    type=click.FloatRange(min=0.1),
    default=60.0,
    metavar="S",
    help="Seconds that one launch may take; the baseline shortens it.",
    show_default=True,
)

accept_degraded_option = click.option(
    "--accept-degraded",
    is_flag=True,
    help="Take passes that are much slower, or storm denied calls, for passes.",
)
