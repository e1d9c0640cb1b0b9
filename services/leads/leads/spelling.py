"""Brings a lead into its one spelling, with its phone number read in the country it is meant in."""

from collections.abc import Callable

from chassis.work import Work

from leads.domain.lead import Lead
from leads.phones import e164


def tidy(work: Work) -> Callable[[Lead], None]:
    """Numbers without a country code are the lead's country's, else the company's (COMPANY_COUNTRY)."""

    def bring(lead: Lead) -> None:
        lead.phone_e164 = e164(lead.phone, lead.country or work.context.company_country)
        lead.normalise()

    return bring
