"""Visitors: who calls without a token, by a link that somebody sent them. Each address may do so much."""

from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Any

from gateway.problems import Problem

# A person opens a link, perhaps again, and sends a form. So many at once, for a household or an office; then one each
# second. At that rate somebody who guesses links of 59 bits finds one in 25,000 years, if there are a million.
AT_ONCE, EACH_SECOND = 60.0, 1.0
# Addresses remembered. When there are more, those that have rested long enough to have all again are forgotten.
MOST_ADDRESSES = 50_000


class Visitors:
    """How much each address has left: a bucket that fills up again."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}  # address → what it had left, and when

    def welcome(self, scope: Any, traceparent: str) -> list[tuple[str, str]]:
        """What goes along with a visitor's call; raises Problem for who asks too much. A token is not passed on."""
        client = scope.get("client")
        self.take(household(client[0]) if client else "", monotonic())
        return [("traceparent", traceparent)]

    def take(self, address: str, now: float) -> None:
        """One call less; Problem 429 if none is left."""
        had, since = self._left.get(address, (AT_ONCE, now))
        left = min(AT_ONCE, had + (now - since) * EACH_SECOND)
        if left < 1:
            raise Problem(429, "TOO_MANY_VISITS", "so many calls came from your address; wait a moment and try again")
        if address not in self._left and len(self._left) >= MOST_ADDRESSES:
            self._forget(now)
        self._left[address] = (left - 1, now)

    def _forget(self, now: float) -> None:
        """Those that rested; if all are busy, all: better than to let nobody in."""
        busy = {
            address: (had, since)
            for address, (had, since) in self._left.items()
            if had + (now - since) * EACH_SECOND < AT_ONCE
        }
        self._left = busy if len(busy) < MOST_ADDRESSES else {}


def household(address: str) -> str:
    """Who shares one bucket: an address; of IPv6, where everybody has many, a network of 64 bits."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or IPv6Address(int(known) >> 64 << 64))
    return str(known)
