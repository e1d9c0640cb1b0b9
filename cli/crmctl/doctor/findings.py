"""What an examination found, and how one look that fails or hangs hides none of the others."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

RUNBOOKS = "docs/runbooks"
OPERATING = "docs/operating.md"


class Level(IntEnum):
    """How bad; the worst of all is the exit code."""

    OK = 0
    WARN = 1  # works, and will not for ever
    FAIL = 2  # somebody's work is stopped, or would be lost


@dataclass(frozen=True)
class Finding:
    """One fact. `said` and `do` are our own sentences, about nothing but parts and figures of the suite; what others
    said, which may hold anything (an address, a name, a password), is `detail` and never leaves in a bundle."""

    part: str  # a service, gateway, postgres, nats, issuer, certificates
    check: str
    level: Level
    said: str
    do: str = ""  # what to do first, for everything that is not OK
    page: str = ""  # where to read on: a runbook's name (CrmNatsAway), or a heading of docs/operating.md (#clocks)
    figures: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""

    @property
    def path(self) -> str:
        """The page as a file of this project; empty without one."""
        if self.page.startswith("#"):
            return f"{OPERATING}{self.page}"
        return f"{RUNBOOKS}/{self.page}.md" if self.page else ""


class Findings:
    """What is found, as it is found: what was seen before a look ran out of time stays."""

    def __init__(self, seconds: float) -> None:
        self.all: list[Finding] = []
        self.seconds = seconds

    @property
    def worst(self) -> Level:
        return max((one.level for one in self.all), default=Level.OK)

    def ok(self, part: str, check: str, said: str, **figures: Any) -> None:
        self.all.append(Finding(part, check, Level.OK, said, figures=figures))

    def warn(self, part: str, check: str, said: str, do: str, page: str, detail: str = "", **figures: Any) -> None:
        self.all.append(Finding(part, check, Level.WARN, said, do, page, figures, detail))

    def fail(self, part: str, check: str, said: str, do: str, page: str, detail: str = "", **figures: Any) -> None:
        self.all.append(Finding(part, check, Level.FAIL, said, do, page, figures, detail))

    async def tried(self, part: str, check: str, look: Awaitable[None], do: str, page: str, turns: int = 1) -> None:
        """Awaits one look. That it fails, or takes longer than `seconds` for each of its `turns`, is a finding."""
        try:
            await asyncio.wait_for(look, self.seconds * turns)
        except TimeoutError:
            self.fail(part, check, f"No answer within {self.seconds * turns:g} seconds.", do, page)
        except Exception as broken:
            said = f"It cannot be examined ({type(broken).__name__})."
            self.fail(part, check, said, do, page, detail=quoted(broken))


def quoted(error: Exception) -> str:
    """What an error says, for a detail. Of an address that cannot be read it would say a part: of its password, too."""
    return "" if isinstance(error, ValueError) else str(error)
