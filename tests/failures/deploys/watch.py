"""A watcher that asks each service by the gateway again and again, once each, and writes down what it was told."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

PAUSE_SECONDS = 0.05
PATHS = {
    "directory": "/v1/users", "leads": "/v1/leads", "sales": "/v1/accounts", "marketing": "/v1/channels",
    "service-desk": "/v1/cases", "contracts": "/v1/contracts", "insights": "/v1/reports/channels",
}  # fmt: skip
GONE = "no connection"


@dataclass
class Watch:
    """`answers` counts what came back, by service; `gaps` are the longest spans without a 200, in seconds."""

    url: str
    token: str
    answers: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in PATHS})
    gaps: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PATHS, 0.0))
    wrong: list[str] = field(default_factory=list)  # answers that a client could not make sense of

    async def run(self) -> None:
        headers = {"authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=15) as client:
            await asyncio.gather(*(self._ask(client, name, path) for name, path in PATHS.items()))

    async def _ask(self, client: httpx.AsyncClient, name: str, path: str) -> None:
        last_good = time.monotonic()
        while True:
            try:
                answer = await client.get(path, params={"pageSize": 1} if name != "insights" else {})
            except httpx.TransportError:
                self.answers[name][GONE] += 1
            else:
                self._note(name, answer)
                if answer.status_code == 200:
                    now = time.monotonic()
                    self.gaps[name] = max(self.gaps[name], now - last_good)
                    last_good = now
            await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, name: str, answer: httpx.Response) -> None:
        reason = "" if answer.status_code == 200 else f" {answer.json().get('reason', '')}"
        self.answers[name][f"{answer.status_code}{reason}"] += 1
        if answer.status_code not in (200, 503) or (answer.status_code == 503 and "retry-after" not in answer.headers):
            self.wrong.append(f"{name}: {answer.status_code} {answer.text[:200]}")

    @property
    def total(self) -> Counter[str]:
        return sum(self.answers.values(), Counter())
