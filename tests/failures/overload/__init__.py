"""More than can be served: a load generator of its own process, what is measured meanwhile, and the soak."""
