"""Whose fault a refusal is: the row's, which the others do not care about, or the suite's, which ends the run."""

from crmctl.connection import Refused

# Not known here, not allowed, too busy, away, too late: the next row would be answered the same.
_OF_THE_SUITE = (401, 403, 429, 503, 504)


def reason(refused: Refused) -> str:
    """Why the row was refused; raises the refusal again if it is not about the row."""
    if refused.status in _OF_THE_SUITE:
        raise refused
    return str(refused)
