"""The last lines of local logs as what they were made of: time, level, our template, the kind of error. No value, no
trace id, no line of others."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from crmctl.bundle.vocabulary import LEVELS, errors, template

TAIL_BYTES = 2 * 1024 * 1024  # of each log
LAST = 200  # lines told one by one
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KIND = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
OF_SERVERS = re.compile(r"\b(LOG|WARNING|ERROR|FATAL|PANIC):|\[(INF|WRN|ERR|FTL)\]")
OTHER = "(a line of another origin)"


def told(log: Path) -> dict[str, Any]:
    """Of one log file: how often each template came, and its last lines in order."""
    lines = [_line(line) for line in _tail(log)]
    known = [line for line in lines if line is not None]
    counts = Counter((line["level"], line["template"], line.get("error", "")) for line in known)
    return {
        "lines": len(lines),
        "not_ours": len(lines) - len(known),
        "counts": [
            {"level": level, "template": text, "error": error, "count": count}
            for (level, text, error), count in counts.most_common()
        ],
        "last": known[-LAST:],
    }


def of_server(log: Path) -> dict[str, Any]:
    """Of Postgres' or NATS' own log: how many lines of each level. Their texts hold statements, with values in them."""
    found = (OF_SERVERS.search(line) for line in _tail(log))
    return {"levels": dict(Counter(one[1] or one[2] for one in found if one))}


def _line(text: str) -> dict[str, str] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("message"), str):
        return None
    level, time = str(line.get("level")), str(line.get("time"))
    kept = {
        "time": time if TIME.fullmatch(time) else "",
        "level": level if level.lower() in LEVELS else "",
        "template": template(line["message"]) or OTHER,
    }
    if error := _kind(str(line.get("error", ""))):
        kept["error"] = error
    return kept


def _kind(traceback: str) -> str:
    """The class of the error that a traceback ends with: the last line that begins with the name of one."""
    names = [name.rpartition(".")[2] for name in KIND.findall(traceback)]
    return next((name for name in reversed(names) if name in errors()), "")


def _tail(log: Path) -> list[str]:
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
    return lines[1:] if size > TAIL_BYTES else lines  # the first may be half a line
