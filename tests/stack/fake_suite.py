"""`crmctl up` with stand-ins for the services; Postgres, NATS, issuer and sink are real."""

import asyncio
import dataclasses
import sys
from pathlib import Path

from chassis.stack.errors import StackError
from chassis.stack.folder import DataFolder
from chassis.stack.plan import Addresses, Plan, Stores, build
from chassis.stack.secrets_file import Secrets
from chassis.stack.starter import Options, Stack
from crmctl.up import serve

KEPT = ("directory", "service-desk", "gateway")


def plan(folder: DataFolder, addresses: Addresses, stores: Stores, known: Secrets) -> Plan:
    real = build(folder, addresses, stores, known)
    script = str(Path(__file__).with_name("fake_service.py"))
    fakes = [
        dataclasses.replace(program, argv=(sys.executable, script, program.name))
        for program in real.services
        if program.name in KEPT
    ]
    return dataclasses.replace(real, preparations=[], services=fakes)


if __name__ == "__main__":
    http_port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    try:
        asyncio.run(serve(Stack(Options(Path(sys.argv[1]), http_port, 0), print, plan), sample=False))
    except StackError as problem:
        sys.exit(str(problem))
