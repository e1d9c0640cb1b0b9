"""An ERP's side of the CRM: reports orders over gRPC, as a service account, and may be interrupted at any moment.

    python record_orders.py orders.csv

Settings: CRM_GRPC (host:port of the gateway's gRPC port; default 127.0.0.1:9090), CRM_TLS=1 for TLS; who we are:
OIDC_TOKEN_URL, CLIENT_ID and CLIENT_SECRET (client credentials), or CRM_TOKEN. Exit code 1 if an order was refused.
"""

import base64
import csv
import json
import os
import random
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby

import grpc
from crm.sales.v1 import sales_pb2, sales_pb2_grpc
from crm.type.v1 import types_pb2
from google.rpc import error_details_pb2, status_pb2
from google.type import money_pb2

SYSTEM = "erp"
CALL_SECONDS = 10
ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 10.0
# The answers after which nobody knows whether the order was recorded, or that ask us to come back.
FOR_NOW = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}
# Any namespace of our own: the same order gets the same request id, today, tomorrow and from another machine.
REQUESTS = uuid.UUID("0f6bcb5e-5d0b-5a1e-8d0a-2f8f3d5c9a10")


class Token:
    """The bearer token of our service account, renewed a minute before it ends."""

    def __init__(self) -> None:
        self._token, self._until = os.environ.get("CRM_TOKEN", ""), float("inf")
        if not self._token:
            self._url = os.environ["OIDC_TOKEN_URL"]
            self._client, self._secret = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
            self._until = 0.0

    def __call__(self) -> str:
        if time.monotonic() > self._until:
            quoted = ":".join(urllib.parse.quote(part, safe="") for part in (self._client, self._secret))
            basic = base64.b64encode(quoted.encode()).decode()
            request = urllib.request.Request(
                self._url, b"grant_type=client_credentials", {"Authorization": f"Basic {basic}"}
            )
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:
                granted = json.load(answer)
            self._token = granted["access_token"]
            self._until = time.monotonic() + granted["expires_in"] - 60
        return self._token


def read_orders(path: str) -> Iterator[sales_pb2.Order]:
    """The orders of the file; rows that follow each other with one order number are its lines."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        for number, rows in groupby(csv.DictReader(file), key=lambda row: row["order_number"]):
            yield order_of(number, list(rows))


def order_of(number: str, rows: list[dict[str, str]]) -> sales_pb2.Order:
    """An order from its lines. The customer is named by our own key: we need not know the CRM's."""
    first = rows[0]
    order = sales_pb2.Order(
        system=SYSTEM,
        order_number=number,
        account_external_id=types_pb2.ExternalId(system=SYSTEM, kind="customer", id=first["customer"]),
        amount=money(sum((Decimal(row["amount"]) for row in rows), Decimal(0)), first["currency"]),
        erp_state=first["state"],
    )
    order.order_time.FromDatetime(datetime.fromisoformat(first["order_time"]))
    for row in rows:
        amount = money(Decimal(row["amount"]), row["currency"])
        order.lines.add(product=row["product"], quantity=int(row["quantity"]), amount=amount)
    return order


def money(amount: Decimal, currency: str) -> money_pb2.Money:
    """Exact: units and billionths, never a float."""
    units, part = divmod(amount, 1)
    return money_pb2.Money(currency_code=currency, units=int(units), nanos=int(part * 10**9))


def record(sales: sales_pb2_grpc.SalesServiceStub, token: Token, order: sales_pb2.Order) -> sales_pb2.Order:
    """Record one order, however often it takes. Raises grpc.RpcError for an answer that repeating would not change.

    The request id makes a repeated call the same call: if the first one was carried out and only its answer was lost,
    the second is given that answer.
    """
    content = order.SerializeToString(deterministic=True)
    request_id = str(uuid.uuid5(REQUESTS, f"{order.order_number} {content.hex()}"))
    request = sales_pb2.RecordOrderRequest(order=order, request_id=request_id)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            metadata = [("authorization", f"Bearer {token()}")]
            recorded: sales_pb2.Order = sales.RecordOrder(request, timeout=CALL_SECONDS, metadata=metadata)
            return recorded
        except grpc.RpcError as error:
            if error.code() not in FOR_NOW or attempt == ATTEMPTS:
                raise
            pause = min(0.2 * 2**attempt, LONGEST_PAUSE_SECONDS) * random.uniform(0.8, 1.2)
            print(f"{order.order_number}: {error.code().name}, again in {pause:.1f} s", file=sys.stderr)
            time.sleep(pause)
    raise AssertionError("the loop returns or raises")


def explain(error: grpc.RpcError) -> str:
    """What an error says to people and programs: its reason, and the fields at fault."""
    said = f"{error.code().name}: {error.details()}"
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
                if detail.Unpack(info):
                    said += f" [{info.reason}]"
                elif detail.Unpack(wrong):
                    said += "".join(f" {one.field}: {one.description}." for one in wrong.field_violations)
    return said


def main(path: str) -> int:
    """Record the file's orders; the number of those that were refused decides the exit code."""
    target, token, refused = os.environ.get("CRM_GRPC", "127.0.0.1:9090"), Token(), 0
    tls = os.environ.get("CRM_TLS") == "1"
    channel = grpc.secure_channel(target, grpc.ssl_channel_credentials()) if tls else grpc.insecure_channel(target)
    with channel:
        sales = sales_pb2_grpc.SalesServiceStub(channel)
        for order in read_orders(path):
            try:
                recorded = record(sales, token, order)
                print(f"{order.order_number}: {recorded.name} of {recorded.account}")
            except grpc.RpcError as error:
                refused += 1
                print(f"{order.order_number}: refused, {explain(error)}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python record_orders.py orders.csv")
    sys.exit(main(sys.argv[1]))
