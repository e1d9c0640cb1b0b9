"""A run under faults: the suite as processes behind proxies, a steady load with a journal, and seeded faults."""
