"""What the funnel's rows mean: leads that came by a channel, and the deals some of them became."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from crmctl.olist.clock import time_of
from crmctl.olist.files import DEALS, LEADS, Row, Table, Wrong
from crmctl.olist.rejected import Rejected
from crmctl.olist.values import amount_of, id_of, slug

BLANK = "blank"  # The channel of leads without an origin; Olist's own `unknown` is another one.
_LONGEST_NAME = 200
# What Olist noted about a won seller; told in the note of the qualification.
_FACTS = ("business_segment", "lead_type", "lead_behaviour_profile", "business_type", "has_company", "has_gtin",
          "average_stock", "declared_product_catalog_size")  # fmt: skip


@dataclass(frozen=True)
class Lead:
    """A seller who asked about selling on Olist. `channel` and `landing_page` are the file's own texts."""

    row: Row
    mql_id: str
    contact_time: datetime
    channel: str
    landing_page: str

    @property
    def channel_name(self) -> str:
        """The channel as the suite names it."""
        return f"channels/{slug(self.channel)}"

    @property
    def landing_page_name(self) -> str:
        """The page as the suite names it; "" without one."""
        return f"landingPages/{slug(self.landing_page)}" if self.landing_page else ""


@dataclass(frozen=True)
class Deal:
    """A lead that was won: by whom, when, as which seller. `revenue` is the monthly one declared; None if not."""

    row: Row
    mql_id: str
    seller_id: str
    sdr: str
    sr: str
    won_time: datetime
    revenue: Decimal | None

    @property
    def owner(self) -> str:
        """Who sells: the sales representative, who closed it."""
        return f"users/{slug(self.sr)}"

    @property
    def lead_owner(self) -> str:
        """Who qualifies: the sales development representative."""
        return f"users/{slug(self.sdr)}"

    @property
    def facts(self) -> str:
        """What else is known about the seller, in words; "" if nothing is."""
        return "; ".join(f"{fact.replace('_', ' ')}: {self.row[fact]}" for fact in _FACTS if self.row[fact])


def leads_of(tables: dict[str, Table], rejected: Rejected, now: datetime) -> list[Lead]:
    """The leads of the file by their order there; wrong and repeated rows are rejected."""
    found: dict[str, Lead] = {}
    for row in tables[LEADS].rows:
        try:
            lead = _lead(row, now)
            if lead.mql_id in found:
                raise Wrong(f"mql_id {lead.mql_id} stands on line {found[lead.mql_id].row.line} too")
            found[lead.mql_id] = lead
        except Wrong as wrong:
            rejected.add(row, str(wrong))
    return list(found.values())


def deals_of(tables: dict[str, Table], rejected: Rejected, now: datetime) -> list[Deal]:
    """The deals of the file; wrong ones, and a lead or a seller won twice, are rejected."""
    refused_leads = {row["mql_id"]: row for row in tables[LEADS].rows if row in rejected}
    usable_leads = {row["mql_id"] for row in tables[LEADS].rows if row not in rejected}
    found: list[Deal] = []
    taken: dict[tuple[str, str], Row] = {}
    for row in tables[DEALS].rows:
        try:
            deal = _deal(row, now)
            if deal.mql_id in refused_leads and deal.mql_id not in usable_leads:
                raise Wrong(f"its lead was refused: {refused_leads[deal.mql_id].where}")
            for key in (("mql_id", deal.mql_id), ("seller_id", deal.seller_id)):
                if key in taken:
                    raise Wrong(f"{key[0]} {key[1]} stands on line {taken[key].line} too")
            taken.update({("mql_id", deal.mql_id): row, ("seller_id", deal.seller_id): row})
            found.append(deal)
        except Wrong as wrong:
            rejected.add(row, str(wrong))
    return found


def _lead(row: Row, now: datetime) -> Lead:
    origin = row["origin"] or BLANK
    if len(origin) > _LONGEST_NAME:
        raise Wrong(f"origin is longer than {_LONGEST_NAME} characters")
    page = id_of(row, "landing_page_id") if row["landing_page_id"] else ""
    return Lead(row, id_of(row, "mql_id"), time_of(row, "first_contact_date", now), origin, page)


def _deal(row: Row, now: datetime) -> Deal:
    revenue = amount_of(row, "declared_monthly_revenue") if row["declared_monthly_revenue"] else Decimal(0)
    return Deal(
        row,
        mql_id=id_of(row, "mql_id"),
        seller_id=id_of(row, "seller_id"),
        sdr=id_of(row, "sdr_id"),
        sr=id_of(row, "sr_id"),
        won_time=time_of(row, "won_date", now),
        revenue=revenue or None,  # Olist writes 0.0 for "not declared".
    )
