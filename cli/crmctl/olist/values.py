"""Amounts, slugs and keys as the suite's API wants them."""

import hashlib
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from crmctl.olist.files import Row, Wrong

SYSTEM = "olist"
CURRENCY = "BRL"
_LARGEST = Decimal(10) ** 15
_LONGEST_ID = 100


def amount_of(row: Row, column: str) -> Decimal:
    """A cell as an amount of money: not negative, at most four decimals. Raises Wrong."""
    text = row[column]
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise Wrong(f"{column} {f'{text[:40]!r} is not an amount' if text else 'is empty'}") from None
    if not amount.is_finite() or not 0 <= amount < _LARGEST or amount != round(amount, 4):
        raise Wrong(f"{column} {text[:40]} is not an amount of at least 0 with at most four decimals")
    return amount


def money(amount: Decimal) -> dict[str, Any]:
    """google.type.Money in JSON."""
    units, part = divmod(amount, 1)
    return {"currencyCode": CURRENCY, "units": str(int(units)), "nanos": int(part * 10**9)}


def id_of(row: Row, column: str) -> str:
    """A cell that names something. Raises Wrong if it is empty, longer than a key or not printable."""
    text = row[column]
    if not text:
        raise Wrong(f"{column} is empty")
    if len(text) > _LONGEST_ID or not text.isprintable():
        raise Wrong(f"{column} is not a key of at most {_LONGEST_ID} printable characters")
    return text


def slug(text: str) -> str:
    """The text itself if it is a slug; else what is left of it and a digest, so that two texts never share one."""
    if re.fullmatch(r"[a-z0-9_-]{1,63}", text):
        return text
    left = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-")[:50]
    return f"{left}-{hashlib.sha256(text.encode()).hexdigest()[:10]}".lstrip("-")


def external_id(kind: str, key: str) -> dict[str, str]:
    """The key by which Olist knows a record."""
    return {"system": SYSTEM, "kind": kind, "id": key}


def key_in(record: dict[str, Any], kind: str) -> str:
    """Olist's key of a record the suite answered; "" if it has none."""
    keys = record.get("externalIds", [])
    return next((key["id"] for key in keys if key["system"] == SYSTEM and key["kind"] == kind), "")
