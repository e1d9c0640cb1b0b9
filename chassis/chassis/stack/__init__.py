"""The local stack: Postgres, NATS, an issuer, a trace sink, every service and the gateway on one machine.

`starter.Stack` starts and stops it; `crmctl up` is its command line; `chassis.testing.Backend` starts only the servers.
Everything it keeps lies in one data folder; every problem it can name is a `StackError`, one sentence for a person.
"""
