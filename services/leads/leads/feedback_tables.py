"""What leads keeps of product feedback, as the service desk tells it, and who of the leads gave it."""

from chassis.database import TIME, Query
from chassis.lists import Among
from sqlalchemy import Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from leads.domain.feedback import FeedbackCondition
from leads.follow_up_tables import METADATA

known_feedback = Table(
    "known_feedback",
    METADATA,
    Column("feedback", Text(collation="C"), primary_key=True),
    # `phone` as digits, as leads have it.
    *(Column(name, Text(collation="C"), nullable=False) for name in ("product", "kind")),
    Column("feedback_time", TIME, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("account", "contact")),  # collated as leads have them
    *(Column(name, Text(collation="C"), nullable=False) for name in ("email", "phone")),
    Column("journey_id", UUID(as_uuid=False)),
)
Index("known_feedback_product_time", known_feedback.c.product, known_feedback.c.feedback_time)
Index("known_feedback_time", known_feedback.c.feedback_time)

PUT_FEEDBACK = (
    "INSERT INTO known_feedback"
    " (feedback, product, kind, feedback_time, account, contact, email, phone, journey_id)"
    " VALUES ($1::text, $2::text, $3::text, $4::timestamptz, $5::text, $6::text, $7::text, $8::text, $9::uuid)"
    " ON CONFLICT (feedback) DO UPDATE SET product = excluded.product, kind = excluded.kind,"
    " feedback_time = excluded.feedback_time, account = excluded.account, contact = excluded.contact,"
    " email = excluded.email, phone = excluded.phone, journey_id = excluded.journey_id"
)
# Whether any lead is the person.
PERSON_KNOWN = Query(
    text(
        "SELECT id FROM leads WHERE contact = CAST(:contact AS text) AND contact <> ''"
        " UNION SELECT id FROM leads WHERE email = CAST(:email AS text) AND email <> ''"
        " UNION SELECT id FROM leads WHERE phone_digits = CAST(:phone AS text) AND phone_digits <> ''"
        " LIMIT 1"
    )
)
MOST_OF_ONE = 1000  # leads of one account or journey; a company with more is none
_LEAD = f"(SELECT id, merged_into FROM leads WHERE {{column}} = said.{{column}} AND {{set}} LIMIT {MOST_OF_ONE}) l"
_BY = "SELECT l.id, l.merged_into FROM said CROSS JOIN LATERAL " + _LEAD
PERSON = [
    _BY.format(column="contact", set="contact <> ''"),
    _BY.format(column="email", set="email <> ''"),
    _BY.replace("said.{column}", "said.phone").format(column="phone_digits", set="phone_digits <> ''"),
]
COMPANY = [
    f"{_BY.format(column=column, set=given)} WHERE said.of_company"
    for column, given in (("account", "account <> ''"), ("journey_id", "true"))
]
GO_ON = (
    "SELECT l.id, l.merged_into FROM gave CROSS JOIN LATERAL (SELECT id, merged_into FROM leads"
    " WHERE id = nullif(substr(gave.merged_into, 7), '')::uuid LIMIT 1) l WHERE gave.merged_into <> ''"
)
# Ids of the leads that gave feedback; those that go on in place of one that did, too. Who is no person that leads could
# know speaks for the company, as everybody does of whom the whole company is asked for.
GAVE = (
    "WITH RECURSIVE said AS MATERIALIZED (SELECT account, contact, email, phone, journey_id,"
    " {{company}} OR contact || email || phone = '' AS of_company FROM known_feedback WHERE {conditions}),"
    f" gave (id, merged_into) AS ({' UNION '.join([*PERSON, *COMPANY])}"
    f" UNION {GO_ON}) SELECT id FROM gave"
)


def gave(asked: FeedbackCondition) -> Among:
    """The leads that gave what is asked for."""
    tests = {
        "feedback": (asked.product_feedback, "text", "feedback = {feedback}"),
        "product": (asked.product, "text", "product = {product}"),
        "kind": (asked.kind.name if asked.kind.value else "", "text", "kind = {kind}"),
        "since": (asked.since, "timestamptz", "feedback_time >= {since}"),
        "until": (asked.until, "timestamptz", "feedback_time < {until}"),
    }
    given = {name: test for name, test in tests.items() if test[0]}
    arguments = {name: (value, cast) for name, (value, cast, _) in given.items()}
    conditions = " AND ".join(test for *_, test in given.values())
    return Among(GAVE.format(conditions=conditions), arguments | {"company": (asked.whole_company, "boolean")})
