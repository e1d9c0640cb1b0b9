"""What a client wrote down of its calls: one JSON object per line, flushed at once.

`n` of the call; `sent`, `answered` seconds since 1970 (null: never answered, so it happened at most once); `method`,
`path`, `key` (Idempotency-Key), `actor`, `body`; `status` and `answer` (JSON) of the answer; `attempts`; `story` the
calls belong to; `repeat_of` another call's `n`, for one that was deliberately made a second time.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Written by the load while it runs."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self.calls = 0

    def number(self) -> int:
        self.calls += 1
        return self.calls

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        yield from map(json.loads, file)
