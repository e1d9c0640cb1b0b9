"""Customers, deals, orders, activities, and the pipeline every company begins with."""

import json

from alembic import op
from sales.tables import METADATA
from sqlalchemy import text

revision = "0001"
down_revision = None

STAGES = [
    {"stage": "qualification", "display_name": "Qualification", "probability": 0.2},
    {"stage": "proposal", "display_name": "Proposal", "probability": 0.5},
    {"stage": "negotiation", "display_name": "Negotiation", "probability": 0.8},
]
SEED = text(
    "INSERT INTO pipelines (id, version, create_time, update_time, display_name, stages, lose_reasons)"
    " VALUES ('default', 1, now(), now(), 'Sales', CAST(:stages AS jsonb), '[]')"
)


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
    op.get_bind().execute(SEED, {"stages": json.dumps(STAGES)})
