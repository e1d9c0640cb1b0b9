"""The front door of the suite: REST and gRPC for all services, made from their descriptors. No rules, no storage."""
