"""Accounts are known by their names without legal form, spelling and script."""

from alembic import op
from leads.domain.account_key import account_key
from sqlalchemy import text

revision = "0029"
down_revision = "0028"

SOME = 10_000
NEXT = text("SELECT account, key FROM account_owners WHERE account > :after ORDER BY account LIMIT :some")
PUT = text(
    "UPDATE account_owners SET key = told.key"
    " FROM unnest(CAST(:accounts AS text[]), CAST(:keys AS text[])) told (name, key) WHERE account = told.name"
)


def upgrade() -> None:
    """The keys before were the names in lower case, which is enough to make these of."""
    after, connection = "", op.get_bind()
    while rows := connection.execute(NEXT, {"after": after, "some": SOME}).all():
        keys = [account_key(row.key) for row in rows]
        connection.execute(PUT, {"accounts": [row.account for row in rows], "keys": keys})
        after = rows[-1].account
