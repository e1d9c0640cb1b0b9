"""Phone numbers: whatever people write, as E.164, so that the same number is the same text."""

import re
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

LONGEST = 64  # characters; nothing longer is a number


def e164(text: str, country: str) -> str:
    """A number as `+359888123456`; empty if it is none. `country` (ISO 3166-1 alpha-2) is where one without a country
    code is meant to be; empty: such a number cannot be read."""
    import phonenumbers  # loads tables of all countries: only who reads numbers pays for them

    if not text or len(text) > LONGEST:
        return ""
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def digits(text: str) -> str:
    """The digits of a number as it is written: how numbers were compared before their country was known."""
    return re.sub(r"\D", "", text)


def time_zone(number: str, otherwise: str) -> str:
    """Where whoever has this E.164 number is, as a zone of the IANA database; `otherwise` if that is not known. Of a
    number that may be in several zones those in which it is earliest and latest, joined by `|`, for what suits both
    suits all between."""
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    try:
        found = time_zones_for_number(phonenumbers.parse(number)) if number else ()
    except phonenumbers.NumberParseException:
        found = ()
    known = [name for name in found if name in _zones()]
    if not known:
        return otherwise
    by_offset = sorted(known, key=lambda name: (_offset(name), name))
    first, last = by_offset[0], by_offset[-1]
    return first if _offset(first) == _offset(last) else f"{first}|{last}"


@cache
def _zones() -> set[str]:
    """Those this machine knows; it looks at hundreds of files for them."""
    return available_timezones()


@cache
def _offset(zone: str) -> timedelta:
    """In winter of the north; only the order matters."""
    return datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
