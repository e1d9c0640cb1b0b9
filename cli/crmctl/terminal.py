"""What a command prints: names and texts of others, which must not steer the terminal they are shown on."""

import unicodedata

import typer
from rich.text import Text

_KEPT = "\n\t"
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, invisible formatting (right-to-left overrides), line separators
_JOINERS = "\u200c\u200d"  # part of how some scripts, and emoji, are written


def plain(text: str) -> str:
    """The text with everything that would steer a terminal shown by its code: an escape as `\\x1b`."""
    return "".join(
        one
        if one in _KEPT or one in _JOINERS or unicodedata.category(one) not in _STEERING
        else one.encode("unicode_escape", "surrogatepass").decode()
        for one in text
    )


def one_line(text: str) -> str:
    """As `plain`, and a text of many lines cannot pretend to be several of ours."""
    return plain(text.replace("\n", "\\n").replace("\t", " "))


def shown(text: str, style: str = "") -> Text:
    """As `one_line`, for places where rich would read markup: a customer may be called `[/]`."""
    return Text(one_line(text), style)


def say(text: str = "", *, err: bool = False) -> None:
    """Prints one message."""
    typer.echo(plain(text), err=err)
