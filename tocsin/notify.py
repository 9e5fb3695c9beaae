"""`tocsin notify`: try a notification channel before an alert needs it."""

from __future__ import annotations

import sys

import click

from common.errors import DeliveryError


@click.group()
def notify() -> None:
    """Try a notification channel."""


@notify.command()
@click.argument("url", required=False, envvar="TOCSIN_NOTIFY_URL")
def test(url: str | None) -> None:
    """Send one message now through an Apprise URL and print the provider's answer.

    URL is taken from the command line, from TOCSIN_NOTIFY_URL or, when neither is given, from standard input (so that a
    secret need not appear in the process list). Examples: ntfy://ntfy.sh/my-topic, slack://…, mailto://…, json://host/.
    """
    from ruler.notify.apprise import send_test  # noqa: PLC0415  (the door to a slow import)

    if not url:
        if sys.stdin.isatty():
            click.echo("Apprise URL: ", nl=False, err=True)
        url = sys.stdin.readline().strip()
    if not url:
        msg = "no URL: give one as an argument, in TOCSIN_NOTIFY_URL or on standard input"
        raise click.UsageError(msg)
    try:
        click.echo(send_test(url))
    except DeliveryError as error:
        raise click.ClickException(str(error)) from None
