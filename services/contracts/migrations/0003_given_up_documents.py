"""Documents that are to be removed since they name somebody who was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("documents", sa.Column("given_up", sa.Boolean(), server_default=sa.text("false"), nullable=False))
