"""The real marketing funnel of Olist (Kaggle), played through the public API as if it happened here.

`files` reads CSV, `clock` its local times, `funnel` and `shop` what the rows mean; `known` is what the suite has
already; `company`, `leads`, `deals`, `contracts`, `orders` and `cases` each bring one kind of record up to date; `run`
is the order of it all.
"""
