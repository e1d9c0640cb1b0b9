"""The next release: a copy of this tree in which leads can do one thing more, with everything such a change brings.

A field of a record, a field of an event, an event, a value of an enum, a method with its request, columns, a table and
an index in an expand migration, and a reaction of sales to the new event.
"""

import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT, create_subprocess_exec
from pathlib import Path

from gateway.contract import Contract, Rpc
from tree import ROOT

SOURCES = ("chassis", "gateway", "proto", "services")
LEFT_OUT = shutil.ignore_patterns("gen", "__pycache__")
PRAISE = "/crm.leads.v1.LeadService/PraiseLead"
PRAISED = "crm.leads.v1.LeadPraised"
PRAISED_STATE = 99

LEADS_PROTO, EVENTS_PROTO = "proto/crm/leads/v1/leads.proto", "proto/crm/leads/v1/events.proto"
DOMAIN, TABLES = "services/leads/leads/domain/lead.py", "services/leads/leads/tables.py"
STATE = "services/leads/leads/domain/state.py"
# File, what stands there, what the next release puts in front of it.
EDITS = [
    (LEADS_PROTO, "  // Reads what the company asks of its leads.\n", """\
  // Writes down what was said well of a lead.
  rpc PraiseLead(PraiseLeadRequest) returns (Lead) {
    option (google.api.http) = {
      post: "/v1/{name=leads/*}:praise"
      body: "*"
    };
    option (crm.options.v1.permission) = "leads.write";
  }
"""),
    (LEADS_PROTO, "  }\n  // The resource name, `leads/{uuid}`.\n", """\
    // Somebody said something good.
    PRAISED = 99;
"""),
    (LEADS_PROTO, "  // The company's own fields by their slugs, as crm.directory", """\
  // What friends call it.
  string nickname = 89;
"""),
    (LEADS_PROTO, "// Asks for a lead.\n", """\
// Asks to write down praise.
message PraiseLeadRequest {
  // The lead's name.
  string name = 1;
  // What was said.
  string words = 2;
  // Makes a repeated call safe.
  string request_id = 3;
}

"""),
    (EVENTS_PROTO, "// A lead will not buy.\n", """\
// Something good was said of a lead.
message LeadPraised {
  // The lead.
  Lead lead = 1;
  // When.
  google.protobuf.Timestamp event_time = 2;
  // What was said.
  string words = 3;
}

"""),
    (EVENTS_PROTO, "}\n\n// Something good", """\
  // How sure one is, in per cent.
  int32 confidence = 4;
"""),
    (STATE, "\n\nOPEN = ", "\n    PRAISED = 99"),
    (STATE, "})\n# Somebody may", ", State.PRAISED"),
    (DOMAIN, "\n    def normalise(", '    nickname: str = ""\n'),
    (DOMAIN, "    def disqualify(", '''\
    def praise(self, words: str, at: datetime) -> "LeadPraised":
        self.require(OPEN)
        self.state = State.PRAISED
        return LeadPraised(lead=self, words=words, event_time=at)

'''),
    (DOMAIN, "@dataclass(frozen=True, kw_only=True)\nclass LeadDisqualified:", '''\
@dataclass(frozen=True, kw_only=True)
class LeadPraised:
    lead: Lead
    words: str
    event_time: datetime


'''),
    (DOMAIN, "\n\n\n@dataclass(frozen=True, kw_only=True)\nclass LeadPraised", "\n    confidence: int = 80"),
    (TABLES, '    info={"collection": "leads"},', """\
    Column("nickname", Text, nullable=False, server_default=""),
"""),
    ("services/leads/leads/rpc/life.py", "    async def DisqualifyLead(", '''\
    async def PraiseLead(self, request: leads_pb2.PraiseLeadRequest, work: Work) -> Lead:
        lead = await work.get(Lead, request.name)
        work.emit(lead.praise(request.words, at=work.now))
        return lead

'''),
    ("services/sales/sales/reactions.py", "    contracts_events.ContractDrafted,", "    leads_events.LeadPraised,\n"),
]  # fmt: skip
MIGRATION = '''"""Expand: a column with a default, one without, a table and an index."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{previous}"


def upgrade() -> None:
    op.add_column("leads", sa.Column("nickname", sa.Text(), server_default="", nullable=False))
    op.add_column("leads", sa.Column("referrer", sa.Text(), nullable=True))
    op.create_index("leads_nickname", "leads", ["nickname"], postgresql_where=sa.text("nickname != ''"))
    op.create_table("praise", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("words", sa.Text()))
'''


class Release:
    """A tree in `folder`, with its contracts built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for source in SOURCES:
            shutil.copytree(ROOT / source, folder / source, ignore=LEFT_OUT)
        for name, there, more in EDITS:
            path = folder / name
            text = path.read_text()
            assert text.count(there) == 1, (name, there)
            path.write_text(text.replace(there, more + there))
        self.revision = expand(folder / "services/leads/migrations")

    @property
    def python_path(self) -> str:
        sources = ["chassis", "gateway", "proto/gen", "proto", *sorted(map(str, (self.folder / "services").iterdir()))]
        return os.pathsep.join(str(self.folder / source) for source in sources)

    async def build(self) -> None:
        await self.run("proto/generate.py")

    async def run(self, *command: str, **env: str) -> str:
        """Runs Python in this release to its end and answers what it printed."""
        process = await create_subprocess_exec(
            sys.executable, *command, cwd=self.folder, stdout=PIPE, stderr=STDOUT,
            env=os.environ | env | {"PYTHONPATH": self.python_path},
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    def method(self, path: str) -> Rpc:
        """A method of this release's contract, with its message classes, beside those that are loaded."""
        contract = Contract(self.folder / "proto/gen/crm.binpb")
        return next(rpc for rpc in contract.rpcs if rpc.path == path)


def expand(migrations: Path) -> str:
    """Adds the expand migration to a chain; answers its revision."""
    previous = max(path.name.split("_")[0] for path in migrations.glob("[0-9]*_*.py"))
    revision = f"{int(previous) + 1:04}"
    (migrations / f"{revision}_praise.py").write_text(MIGRATION.format(revision=revision, previous=previous))
    return revision
