"""What sales and contracts tell the service desk in these tests."""

from datetime import UTC, datetime, timedelta

from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2
from google.protobuf.timestamp_pb2 import Timestamp

NOW = datetime.now(UTC)


def stamp(days=0):
    """NOW and some days."""
    made = Timestamp()
    made.FromDatetime(NOW + timedelta(days=days))
    return made


def account_created(**fields):
    known = {"name": f"accounts/{new_id()}", "display_name": "Bakery", "journey_id": new_id()}
    account = sales_pb2.Account(**(known | {"owner": "users/ana", "team": "teams/north"} | fields))
    return sales_events.AccountCreated(account=account)


def contract_activated(account, start=-10, end=10, **fields):
    """A contract of that account in force from `start` until `end` days from NOW."""
    term = {"entitlement": f"entitlements/{new_id()}", "service_level": "gold"}
    term |= {"start_time": stamp(start), "end_time": None if end is None else stamp(end)}
    known = {"name": f"contracts/{new_id()}", "etag": "4", "version": 4, "account": account, "journey_id": new_id()}
    known |= {"owner": "users/ana", "team": "teams/north", "entitlement_terms": [term]}
    contract = contracts_pb2.Contract(**(known | fields))
    return contracts_events.ContractActivated(contract=contract, event_time=stamp(start))
