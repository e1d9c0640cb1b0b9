"""Prints values for the NATS chart (nats-io/nats) with an account for each service: what it may reach and nothing else.

python examples/kubernetes/nats_values.py > nats-values.yaml
Passwords stay in the Secret crm-nats-passwords, whose keys are `admin` and each service; the server reads them from its
environment.
"""

import yaml
from chassis.settings import SERVICES, variable
from chassis.stack.nats_accounts import ADMIN, accounts

SECRET = "crm-nats-passwords"
USERS = {user: variable("CRM_NATS", user) for user in (ADMIN, *SERVICES)}


def values() -> dict:
    # The chart takes the quotes away from what stands between << and >>.
    passwords = {user: f"<< ${name} >>" for user, name in USERS.items()}
    return {
        "config": {
            "cluster": {"enabled": True, "replicas": 3},
            "jetstream": {
                "enabled": True,
                # Seven streams may hold nats.streams.maxBytes (8 GiB) each.
                "fileStore": {"pvc": {"size": "64Gi"}},
                # What was acknowledged is on disk, also if all three lose power.
                "merge": {"sync_interval": "always"},
            },
            "merge": {"max_payload": 4 * 1024 * 1024, "accounts": accounts(passwords)},
        },
        "container": {
            "env": {
                name: {"valueFrom": {"secretKeyRef": {"name": SECRET, "key": user}}} for user, name in USERS.items()
            }
        },
        "podTemplate": {
            "topologySpreadConstraints": {
                "kubernetes.io/hostname": {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"},
            }
        },
        "natsBox": {"enabled": False},
    }


if __name__ == "__main__":
    print(yaml.safe_dump(values(), sort_keys=False, width=120), end="")
