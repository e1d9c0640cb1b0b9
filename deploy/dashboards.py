"""Writes deploy/helm/crm/files/dashboards/*.json for Grafana from the tables below, in which a panel is a line.

`--check` writes nothing and fails if one of them is not up to date.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "helm/crm/files/dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 12, 8  # two beside each other
# What a customer does, in the order of it: the calls by which the suite learns of it.
JOURNEY = (
    "crm.marketing.v1.MarketingService/CreateTouch",
    "crm.leads.v1.LeadService/CreateLead",
    "crm.leads.v1.LeadService/QualifyLead",
    "crm.leads.v1.LeadService/ConvertLead",
    "crm.sales.v1.SalesService/WinOpportunity",
    "crm.contracts.v1.ContractService/ActivateContract",
    "crm.sales.v1.SalesService/RecordOrder",
    "crm.service_desk.v1.ServiceDeskService/OpenCase",
)
HERE = 'namespace="$namespace"'
PART = f'{HERE},component=~"$component"'


@dataclass(frozen=True)
class Panel:
    """A graph. `unit` is Grafana's word; `queries` are PromQL by the legend of their lines."""

    title: str
    unit: str
    queries: dict[str, str]


def rate(metric: str, by: str, where: str = HERE) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def most(metric: str, by: str, where: str = PART) -> str:
    """Replicas that look at the same thing see the same: the largest is the latest."""
    return f"max by ({by}) ({metric}{{{where}}})"


def percentiles(histogram: str, by: str = "") -> dict[str, str]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    legend, group = (f"{{{{{by}}}}} ", f"{by}, le") if by else ("", "le")
    buckets = rate(f"{histogram}_bucket", group)
    return {f"{legend}{name}": f"histogram_quantile({share}, {buckets})" for name, share in shares.items()}


def hourly(method: str) -> str:
    return f'sum(increase(crm_calls_total{{{HERE},code="OK",method="{method}"}}[1h]))'


FAILED = f'{HERE},status=~"5.."'
NOT_OK = f'{PART},code!="OK"'
BOARDS = {
    "journeys": [
        Panel("What customers did, calls an hour", "none", {one.split("/")[1]: hourly(one) for one in JOURNEY}),
        Panel("Of ten leads that came, how many became customers (a day)", "none", {
            "converted": f"10 * {hourly(JOURNEY[3])} / {hourly(JOURNEY[1])}".replace("[1h]", "[1d]"),
        }),
        Panel("Events that insights has yet to tell", "none", {
            "{{producer}}": most("crm_events_waiting", "producer", f'{HERE},component="insights"'),
        }),
        Panel("Calls that were answered with a failure, a second", "reqps", {
            "{{rpc}}": rate("crm_gateway_requests_total", "rpc", FAILED),
        }),
    ],
    "gateway": [
        Panel("Requests a second", "reqps", {"{{status}}": rate("crm_gateway_requests_total", "status")}),
        Panel("Share that failed; the objective is 0.1 %", "percentunit", {
            "{{class}}": f"{rate('crm_gateway_requests_total', 'class', FAILED)}"
            f" / {rate('crm_gateway_requests_total', 'class')}",
        }),
        Panel("Time to an answer", "s", percentiles("crm_gateway_admitted_seconds", "class")),
        Panel("Calls a second", "reqps", {"{{rpc}}": f"topk(10, {rate('crm_gateway_requests_total', 'rpc')})"}),
        Panel("Places for calls, by service", "none", {
            "{{service}} taken": f"sum by (service) (crm_gateway_places_taken{{{HERE}}})",
            "{{service}} there are": f"sum by (service) (crm_gateway_limit{{{HERE}}})",
        }),
        Panel("Refused a second", "reqps", {
            "{{service}} {{reason}}": rate("crm_gateway_refused_total", "service, reason"),
        }),
        Panel("In line", "none", {"{{service}}": f"sum by (service) (crm_gateway_in_line{{{HERE}}})"}),
        Panel("Connections", "none", {"{{pod}}": f"crm_gateway_connections{{{HERE}}}"}),
    ],
    "services": [
        Panel("Calls a second", "reqps", {"{{component}} {{pod}}": rate("crm_calls_total", "component, pod", PART)}),
        Panel("Calls that were not OK, a second", "reqps", {
            "{{component}} {{code}}": rate("crm_calls_total", "component, code", NOT_OK),
        }),
        Panel("The most frequent calls", "reqps", {
            "{{method}}": f"topk(10, {rate('crm_calls_total', 'method', PART)})",
        }),
        Panel("Calls under way", "none", {"{{pod}}": f"crm_calls_under_way{{{PART}}}"}),
        Panel("Tasks of a process", "none", {"{{pod}}": f"crm_tasks{{{PART}}}"}),
        Panel("Watches that are open", "none", {"{{pod}}": f"crm_watches{{{PART}}}"}),
        Panel("Tokens refused a second", "reqps", {
            "{{component}} {{reason}}": rate("crm_tokens_refused_total", "component, reason", PART),
        }),
        Panel("Age of the issuer's keys", "s", {"{{component}}": most("crm_issuer_keys_age_seconds", "component")}),
    ],
    "events": [
        Panel("How long the oldest event waits to be published", "s", {
            "{{component}}": most("crm_outbox_oldest_seconds", "component"),
        }),
        Panel("Events not yet published (counted to 10,000)", "none", {
            "{{component}}": most("crm_outbox_waiting", "component"),
        }),
        Panel("Events that wait in JetStream", "none", {
            "{{producer}} → {{component}}": most("crm_events_waiting", "producer, component"),
        }),
        Panel("Published and taken in, a second", "none", {
            "{{component}} published": rate("crm_outbox_published_total", "component", PART),
            "{{component}} taken in": rate("crm_events_applied_total", "component", PART),
        }),
        Panel("Tries that failed, a second", "none", {
            "{{component}}": rate("crm_events_failed_total", "component", PART),
        }),
        Panel("Dead letters", "none", {"{{component}}": most("crm_dead_letters_open", "component")}),
        Panel("Timers overdue for a minute", "none", {"{{component}}": most("crm_timers_overdue", "component")}),
        Panel("Connected to NATS", "none", {"{{pod}}": f"crm_nats_connected{{{PART}}}"}),
    ],
}  # fmt: skip


def board(name: str, panels: list[Panel]) -> dict[str, Any]:
    return {
        "uid": f"crm-{name}",
        "title": f"CRM: {name}",
        "tags": ["crm"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _variables() -> list[dict[str, Any]]:
    asked = {"namespace": "crm_gateway_tasks", "component": f"crm_tasks{{{HERE}}}"}
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        *(
            {
                "name": name,
                "type": "query",
                "datasource": SOURCE,
                "query": f"label_values({metric}, {name})",
                "refresh": 2,
                **({"multi": True, "includeAll": True, "current": {"value": "$__all"}} if name == "component" else {}),
            }
            for name, metric in asked.items()
        ),
    ]


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": WIDTH * (number % 2), "y": HEIGHT * (number // 2), "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend, "datasource": SOURCE}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, panels in BOARDS.items():
        path, text = FOLDER / f"{name}.json", json.dumps(board(name, panels), indent=1, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path.name} is not up to date: run `make goldens`.")


if __name__ == "__main__":
    main()
