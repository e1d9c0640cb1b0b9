"""Assignment: who gets a lead, by rules that are data, and why it was not somebody else.

`policy` says what a company wants, `person` what is known of those who work, `turns` whose turn it is, `assigner` puts
them together, `decision` is what it answers. All of it is pure: the same input gives the same answer, in whatever order
people are named.
"""
