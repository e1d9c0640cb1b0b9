"""What marketing stores of materials: the links, how often they were opened, and the leads that came by them."""

from chassis.database import IN_REACH, TIME, Query, enum_column, listed, record_columns
from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text, text

from marketing.material import Material, MaterialKind, MaterialLink

METADATA = MetaData()
MOST_LINES = 1000

materials = Table(
    "materials",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    enum_column("kind", MaterialKind),
    Column("url", Text, nullable=False),
    Column("language", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("expire_time", TIME),
    info={"collection": "materials"},
)
listed(materials, "kind", "language")

links = Table(
    "material_links",
    METADATA,
    *record_columns(slug=True),
    *(Column(name, Text(collation="C"), nullable=False, info={"filter": True}) for name in ("owner", "team")),
    Column("archive_time", TIME),
    Column("material", Text(collation="C"), nullable=False, info={"filter": True}),
    info={"collection": "materialLinks"},
)
listed(links, "owner", "team", "material")
in_use = links.c.archive_time.is_(None)
Index("material_links_one_each", links.c.material, links.c.owner, unique=True, postgresql_where=in_use)
RECORDS = {Material: materials, MaterialLink: links}

# A row for each link that was ever opened, so that no visitor can fill the disk.
opens = Table(
    "material_opens",
    METADATA,
    Column("material_link", Text(collation="C"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("last_time", TIME, nullable=False),
)
# Which lead came by which link, as leads tell it: each lead's latest event writes its row.
came = Table(
    "material_leads",
    METADATA,
    Column("lead", Text(collation="C"), primary_key=True),
    Column("material_link", Text(collation="C"), nullable=False, index=True),
    Column("converted", Boolean, nullable=False),
)

COUNT_OPEN = (
    "INSERT INTO material_opens AS known (material_link, number, last_time) VALUES ($1::text, 1, now())"
    " ON CONFLICT (material_link) DO UPDATE SET number = known.number + 1, last_time = now()"
)
PUT_LEAD = (
    "WITH gone AS (DELETE FROM material_leads WHERE lead = $1::text AND $2::text = '')"
    " INSERT INTO material_leads (lead, material_link, converted) SELECT $1::text, $2::text, $3::boolean"
    " WHERE $2::text <> '' ON CONFLICT (lead)"
    " DO UPDATE SET material_link = excluded.material_link, converted = excluded.converted"
)
PERFORMANCE = Query(
    text(
        "SELECT l.material, m.display_name, l.owner, 'materialLinks/' || l.id AS material_link,"
        " coalesce(o.number, 0) AS opens, brought.leads, brought.conversions FROM material_links l"
        " JOIN materials m ON m.id = substr(l.material, 11)"
        " LEFT JOIN material_opens o ON o.material_link = 'materialLinks/' || l.id"
        " CROSS JOIN LATERAL (SELECT count(*)::integer AS leads, count(*) FILTER (WHERE converted)::integer"
        " AS conversions FROM material_leads c WHERE c.material_link = 'materialLinks/' || l.id) brought"
        " WHERE (CAST(:material AS text) = '' OR l.material = CAST(:material AS text))"
        f" AND {IN_REACH}"
        f" ORDER BY opens DESC, brought.leads DESC, l.id LIMIT {MOST_LINES}"
    )
)
