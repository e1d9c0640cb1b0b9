"""Whose each record is, so that counts, sums and timelines follow the reader's reach.

Records told before this migration are nobody's here until they are told of again, or insights is rebuilt: until then
only who reaches all of them sees them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("records", sa.Column("owner", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("records", sa.Column("team", sa.Text(collation="C"), server_default="", nullable=False))
