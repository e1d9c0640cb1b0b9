"""Who works there, and how customers find them."""

from typing import Any

# In this order: a parent before its children.
TEAMS: dict[str, dict[str, Any]] = {
    "customers": {"displayName": "Customers"},
    "sales": {"displayName": "Sales", "parent": "teams/customers"},
    "care": {"displayName": "Customer care", "parent": "teams/customers"},
}
PEOPLE: dict[str, tuple[str, str, str]] = {
    "maria": ("Мария Петрова", "administrator", "customers"),
    "li-wei": ("李伟", "sales_manager", "customers"),
    "ana": ("Ana Souza", "salesperson", "sales"),
    "joao": ("João Almeida", "salesperson", "sales"),
    "georgi": ("Георги Димитров", "salesperson", "sales"),
    "emma": ("Emma Clarke", "agent", "care"),
    "chen-fang": ("陈芳", "agent", "care"),
    "ivan": ("Иван Колев", "contract_manager", "customers"),
}
SELLERS = ("users/ana", "users/joao", "users/georgi")
AGENTS = ("users/emma", "users/chen-fang")
CONTRACT_MANAGER = "users/ivan"
ERP = "erp"  # The service account that records orders, and that examples/erp uses.

CHANNELS: dict[str, tuple[str, str, int]] = {  # Display name, kind, spend a month.
    "search-ads": ("Search ads", "search", 1800),
    "newsletter": ("Newsletter", "email", 240),
    "trade-fair": ("Trade fair", "fair", 5200),
    "partners": ("Partners", "referral", 0),
}
PAGES = {"spring-offer": "Spring offer", "price-list": "Price list", "contact-us": "Contact us"}


def users() -> dict[str, dict[str, Any]]:
    """The people as directory takes them, by slug."""
    return {
        slug: {
            "displayName": name,
            "email": f"{slug}@example.com",
            "team": f"teams/{team}",
            "roles": [role],
        }
        for slug, (name, role, team) in PEOPLE.items()
    }
