"""Deployments: a next release beside this one, restarts in turn, a suite that grows, a pooler before Postgres."""
