"""By what a lead's company is found among the accounts: the name, however it is written."""

from leads.matching.rules import Comparator
from leads.matching.text import is_han
from leads.matching.values import prepare


def account_key(company: str) -> str:
    """A company's name as it is compared with those of accounts: without legal form, case and spaces, in Latin letters
    except for Han, of which many signs share a sound."""
    value = prepare(Comparator.COMPANY, company)
    if value is None:
        return ""
    return "".join(value.original.split()) if is_han(value.original) else value.key
