"""Loads the dump of one database, in one transaction that waits for the word to commit: the caller gives it when all
databases have come so far, so that either all are restored or none."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from chassis.stack.tools import Tool

from crmctl.backups.manifest import Dump

# Whatever migrations made. The dump brings the rights with it; those that new tables get by themselves would be added.
_CLEAN = """
BEGIN;
SET LOCAL lock_timeout = '10s';
DO $clean$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT format(CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
            ELSE 'TABLE' END || ' IF EXISTS %s', oid::regclass) AS what
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT relispartition AND NOT EXISTS (  -- a column's own sequence goes with its table
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
            AND d.deptype IN ('a', 'i') AND c.relkind = 'S')
        UNION ALL
        SELECT format('ROUTINE IF EXISTS %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('TYPE IF EXISTS %s', oid::regtype) FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
    LOOP
        EXECUTE format('DROP %s CASCADE', one.what);
    END LOOP;
    FOR one IN
        SELECT CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
            WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS what, a.grantee::regrole AS grantee
        FROM pg_default_acl CROSS JOIN LATERAL aclexplode(defaclacl) a
        WHERE defaclrole = current_user::regrole AND a.grantee NOT IN (0, defaclrole)
    LOOP
        EXECUTE format('ALTER DEFAULT PRIVILEGES REVOKE ALL ON %s FROM %s', one.what, one.grantee);
    END LOOP;
END $clean$;
"""
# What the manifest says of it has to be there, or nothing is committed.
_COMPARE = """
SET search_path = public;
DO $compare$
DECLARE found text;
BEGIN
    SELECT count(*) INTO found FROM outbox;
    IF found <> '{events}' THEN RAISE 'the dump brought % events instead of {events}', found; END IF;
    IF '{head}' <> '' THEN
        SELECT number || ':' || encode(seal, 'hex') INTO found FROM audit_seal ORDER BY number DESC LIMIT 1;
        IF found IS DISTINCT FROM '{head}' THEN RAISE 'the audit chain ends at % instead of {head}', found; END IF;
    END IF;
END $compare$;
"""
# Records of another service are known here by epoch and version. Each database begins a new epoch; what was known in
# the last one is known in the new one, or an old event that arrives late would win over a newer one taken in before.
# `inbox_mark` is about streams that are gone: it must not be believed.
_MOVE_EPOCHS = """
DO $move$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'public'
        AND column_name = 'epoch' AND data_type = 'uuid' AND table_name <> 'inbox_mark'
    LOOP
        EXECUTE format('UPDATE %I SET epoch = moved.after FROM (VALUES {moves}) AS moved (before, after)'
            ' WHERE epoch = moved.before', one.name);
    END LOOP;
END $move$;
"""
_FINISH = """
INSERT INTO epoch (id) VALUES ('{epoch}');
COMMENT ON TABLE epoch IS '{mark}';
\\echo loaded
"""
_COMMIT = b"COMMIT;\n\\echo committed\n"


def mark(backup_id: str) -> str:
    """What a database says of the backup it came from."""
    return f"restored from backup {backup_id}"


@asynccontextmanager
async def loaded(
    url: str, folder: Path, dump: Dump, backup_id: str, epoch: str, moves: Mapping[str, str],
    read: Callable[[int], None],
) -> AsyncIterator[Tool]:  # fmt: skip
    """The session that has loaded the dump in place of all there was, with a new epoch, and waits: `commit` it.

    `moves` are other services' epochs, before and after. `read` is told how many bytes of the dump were taken. Raises
    StackError with what the server said; nothing is changed then.
    """
    async with Tool("psql", url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null") as session:
        await session.write(_CLEAN.encode())
        await _pour(folder / dump.file, session, read)
        await session.write(_COMPARE.format(events=dump.events, head=dump.head).encode())
        if moves:
            values = ", ".join(f"(''{before}''::uuid, ''{after}''::uuid)" for before, after in moves.items())
            await session.write(_MOVE_EPOCHS.format(moves=values).encode())
        await session.write(_FINISH.format(epoch=epoch, mark=mark(backup_id)).encode())
        while await session.line() != "loaded":
            pass
        yield session


async def commit(session: Tool) -> None:
    """Makes it last. Raises StackError if the server did not."""
    await session.write(_COMMIT)
    while await session.line() != "committed":
        pass
    session.close_input()
    await session.finish()


async def _pour(file: Path, session: Tool, read: Callable[[int], None]) -> None:
    """The dump as SQL into the session, while it is read."""
    async with Tool("pg_restore", "", "--no-owner", "--exit-on-error", "--file=-", str(file)) as script:
        script.close_input()
        while chunk := await script.read():
            await session.write(chunk)
            read(len(chunk))
        await script.finish()
